/* The loop over events that extracts one field; compiled after the declarations of an API generation and loop.h. */
#include <stdlib.h>
#include <string.h>

enum { TEXT, NUMBER, TRUTH, ADDRESS };

static int grow(void **memory, uint64_t *room, uint64_t wanted, size_t size) {
    if (wanted <= *room) {
        return 0;
    }
    uint64_t target = wanted * 2 + 64;
    void *grown = realloc(*memory, target * size);
    if (!grown) {
        return -1;
    }
    *memory = grown;
    *room = target;
    return 0;
}

static int add_text(scap_values *out, const char *text, uint32_t length) {
    uint64_t room = out->values_room;
    if (grow((void **)&out->lengths, &room, out->values + 1, sizeof *out->lengths) ||
        grow((void **)&out->texts, &out->texts_room, out->texts_used + length, 1)) {
        return -1;
    }
    out->values_room = room;
    out->lengths[out->values++] = length;
    memcpy(out->texts + out->texts_used, text, length);
    out->texts_used += length;
    return 0;
}

static int add_number(scap_values *out, uint64_t number) {
    if (grow((void **)&out->numbers, &out->values_room, out->values + 1, sizeof *out->numbers)) {
        return -1;
    }
    out->numbers[out->values++] = number;
    return 0;
}

int64_t scap_extract(void *function, void *state, const char *inputs, uint64_t stride, uint64_t count, void *wanted,
                     void *given, int32_t kind, int32_t is_list, uint64_t longest_list, scap_values *out) {
    ss_plugin_extract_field *field = wanted;
    (void)given, (void)is_list, (void)longest_list;
    out->counts = calloc(count ? count : 1, sizeof *out->counts);
    if (!out->counts) {
        return -1;
    }
    for (uint64_t row = 0; row < count; row++) {
        const char *input = inputs + row * stride;
#if API_MAJOR == 0
        ss_plugin_rc (*ask)(void *, const ss_plugin_event *, uint32_t, ss_plugin_extract_field *) = function;
        field->field_present = false;
        field->res_str = NULL;
        if (ask(state, (const ss_plugin_event *)input, 1, field) != 0 || !field->field_present) {
            continue;
        }
        if (kind == TEXT && !field->res_str) {
            continue;
        }
        if (kind == TEXT ? add_text(out, field->res_str, strlen(field->res_str)) : add_number(out, field->res_u64)) {
            return -1;
        }
        out->counts[row] = 1;
#else
        field->res.u64 = NULL;
        field->res_len = 0;
#if API_MAJOR == 3
        ss_plugin_rc (*ask)(void *, const ss_plugin_event_input *, const ss_plugin_field_extract_input *) = function;
        if (ask(state, (const ss_plugin_event_input *)input, given) != 0 || !field->res_len) {
            continue;
        }
#else
        ss_plugin_rc (*ask)(void *, const ss_plugin_event *, uint32_t, ss_plugin_extract_field *) = function;
        if (ask(state, (const ss_plugin_event *)input, 1, field) != 0 || !field->res_len) {
            continue;
        }
#endif
        uint64_t length = is_list ? field->res_len : 1;
        if (!field->res.u64 || length > longest_list) {
            return (int64_t)row + 1;
        }
        uint64_t before = out->values;
        for (uint64_t i = 0; i < length; i++) {
            int failed = 0;
            if (kind == TEXT) {
                const char *text = field->res.str[i];
                failed = text ? add_text(out, text, strlen(text)) : 0;
            } else if (kind == NUMBER) {
                failed = add_number(out, field->res.u64[i]);
#if API_MAJOR == 3
            } else if (kind == TRUTH) {
                failed = add_number(out, field->res.boolean[i] != 0);
            } else {
                const ss_plugin_byte_buffer *buffer = &field->res.buf[i];
                int known = buffer->ptr && (buffer->len == 4 || buffer->len == 16);
                failed = known ? add_text(out, buffer->ptr, buffer->len) : 0;
#endif
            }
            if (failed) {
                return -1;
            }
        }
        out->counts[row] = (uint32_t)(out->values - before);
#endif
    }
    return 0;
}

void scap_free(scap_values *out) {
    free(out->counts);
    free(out->numbers);
    free(out->lengths);
    free(out->texts);
}
