/* What the extraction loop hands back: values per event, then the values one after the other, numbers or texts. */
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

/* A stream being read: next_batch and what it is called with, what is left of its latest batch, and the slot that is
   filled; then what the loop knows to be readable, and what it found wrong. */
typedef struct {
    void *function, *state, *instance;
    void *events;
    uint32_t count, taken;
    int32_t code;
    uint32_t plugin_id, event_type, longest_batch, largest_event;
    char *data;
    uint64_t room;
    uint64_t *counts;
    uint64_t capacity, full_bytes, deadline_ns;
    uint64_t low[8], high[8];
    uint32_t known;
    uint64_t latest_ns, details[3];
} scap_filling;
/* Put events into the slot, as blocks; why it came back, one of the outcomes of fill.c. */
int32_t scap_fill(scap_filling *filling);
/* How many bytes so many plugin-event blocks take that memory begins with, -1 where it does not. */
int64_t scap_blocks_size(const char *data, uint64_t room, uint64_t events);

ssize_t pwritev(int file, const void *pieces, int count, int64_t offset);
