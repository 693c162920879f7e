/* What the loop hands back: values per event, then the values one after the other, numbers or texts. */
typedef struct {
    uint32_t *counts;
    uint64_t *numbers;
    uint32_t *lengths;
    char *texts;
    uint64_t values, values_room, texts_used, texts_room;
} scap_values;
/* 0 for good; -1 without memory; else 1 more than the row of an answer that cannot be one. */
int64_t scap_extract(void *function, void *state, const char *inputs, uint64_t stride, uint64_t count, void *field,
                     void *given, int32_t kind, int32_t is_list, uint64_t longest_list, scap_values *out);
void scap_free(scap_values *out);
