/*
 * A plugin as they are: events are JSON documents, and a field is found by reading a document as far as it.
 *
 * Against API 0.x. Open parameters: "COUNT,SIZE,BATCH"; documents are padded to SIZE bytes by a text in the middle.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "plugin_api.h"

typedef struct {
    uint64_t count, size, batch, next;
    char *bytes;
    ss_plugin_event *events;
} instance_t;

typedef struct {
    char text[256];
} state_t;

const char *plugin_get_required_api_version(void) { return "0.3.0"; }
const char *plugin_get_name(void) { return "document"; }
const char *plugin_get_description(void) { return "JSON documents to measure with"; }
const char *plugin_get_contact(void) { return "bench"; }
const char *plugin_get_version(void) { return "1.0.0"; }
uint32_t plugin_get_id(void) { return 998; }
uint32_t plugin_get_type(void) { return 1; }
const char *plugin_get_event_source(void) { return "document"; }
const char *plugin_get_extract_event_sources(void) { return "[\"document\"]"; }

void *plugin_init(const char *config, ss_plugin_rc *rc) {
    (void)config;
    *rc = 0;
    return calloc(1, sizeof(state_t));
}
void plugin_destroy(void *s) { free(s); }
const char *plugin_get_last_error(void *s) {
    (void)s;
    return "open parameters are three numbers";
}

void *plugin_open(void *s, const char *params, ss_plugin_rc *rc) {
    (void)s;
    instance_t *h = calloc(1, sizeof *h);
    if (sscanf(params, "%lu,%lu,%lu", &h->count, &h->size, &h->batch) != 3 || !h->batch || h->size < 400) {
        free(h);
        *rc = 1;
        return NULL;
    }
    h->bytes = calloc(h->batch, h->size + 1);
    h->events = calloc(h->batch, sizeof *h->events);
    *rc = 0;
    return h;
}
void plugin_close(void *s, void *h) {
    (void)s;
    free(((instance_t *)h)->bytes);
    free(((instance_t *)h)->events);
    free(h);
}

ss_plugin_rc plugin_next_batch(void *s, void *handle, uint32_t *nevts, ss_plugin_event **evts) {
    (void)s;
    instance_t *h = handle;
    static const char *const actions[] = {"GetObject", "PutObject", "ConsoleLogin", "DescribeInstances", "AssumeRole"};
    uint32_t n = 0;
    for (; n < h->batch && h->next < h->count; n++, h->next++) {
        char *text = h->bytes + n * (h->size + 1);
        uint64_t i = h->next;
        int head = snprintf(text, h->size,
                            "{\"version\": \"1.08\", \"id\": %lu, \"action\": \"%s\", \"source\": {\"ip\": \"10.%lu.%lu.%lu\","
                            " \"port\": %lu, \"agent\": \"client/%lu.%lu (linux; x86_64)\"}, \"tags\": [\"a\", \"b\", %lu],"
                            " \"detail\": \"",
                            i, actions[i % 5], i >> 16 & 255, i >> 8 & 255, i & 255, 1024 + i % 60000, i % 7, i % 13, i);
        int tail = snprintf(text + head, h->size - head, "\", \"user\": {\"type\": \"role\", \"name\": \"user-%lu\"}}", i % 1000);
        memmove(text + h->size - tail, text + head, tail);
        memset(text + head, 'x', h->size - head - tail);
        h->events[n] = (ss_plugin_event){0, (uint8_t *)text, (uint32_t)h->size, 1600000000000000000ULL + i * 1000};
    }
    *evts = h->events;
    *nevts = n;
    return h->next == h->count ? 2 : 0;
}

const char *plugin_event_to_string(void *s, const uint8_t *data, uint32_t datalen) {
    state_t *state = s;
    snprintf(state->text, sizeof state->text, "%.*s", (int)datalen, (const char *)data);
    return state->text;
}

const char *plugin_get_fields(void) {
    return "[{\"type\": \"string\", \"name\": \"document.user\", \"desc\": \"user\"},"
           " {\"type\": \"string\", \"name\": \"document.action\", \"desc\": \"action\"}]";
}

typedef struct {
    const char *at, *end;
} reader_t;

static void blank(reader_t *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) {
        r->at++;
    }
}

static reader_t text(reader_t *r) {
    reader_t found = {++r->at, NULL};
    while (r->at < r->end && *r->at != '"') {
        r->at += *r->at == '\\' ? 2 : 1;
    }
    found.end = r->at++;
    return found;
}

/* Read a value; `path` are the keys that lead to the wanted text, the first of which is looked for here. */
static int value(reader_t *r, const char *const *path, reader_t *found) {
    blank(r);
    if (r->at >= r->end) {
        return 0;
    }
    if (*r->at == '"') {
        reader_t whole = text(r);
        if (path && !*path) {
            *found = whole;
            return 1;
        }
        return 0;
    }
    if (*r->at == '{' || *r->at == '[') {
        int object = *r->at++ == '{';
        for (;;) {
            blank(r);
            if (r->at >= r->end || *r->at == '}' || *r->at == ']') {
                r->at++;
                return 0;
            }
            const char *const *further = NULL;
            if (object) {
                reader_t key = text(r);
                size_t length = (size_t)(key.end - key.at);
                if (path && *path && strlen(*path) == length && !memcmp(*path, key.at, length)) {
                    further = path + 1;
                }
                blank(r);
                r->at++;
            }
            if (value(r, further, found)) {
                return 1;
            }
            blank(r);
            if (r->at < r->end && *r->at == ',') {
                r->at++;
            }
        }
    }
    while (r->at < r->end && !strchr(",]} \n\t\r", *r->at)) {
        r->at++;
    }
    return 0;
}

ss_plugin_rc plugin_extract_fields(void *s, const ss_plugin_event *evt, uint32_t num_fields, ss_plugin_extract_field *fields) {
    static const char *const paths[2][3] = {{"user", "name", NULL}, {"action", NULL, NULL}};
    state_t *state = s;
    for (uint32_t i = 0; i < num_fields; i++) {
        reader_t reader = {(const char *)evt->data, (const char *)evt->data + evt->datalen}, found;
        fields[i].field_present = value(&reader, paths[fields[i].field_id], &found);
        if (fields[i].field_present) {
            snprintf(state->text, sizeof state->text, "%.*s", (int)(found.end - found.at), found.at);
            fields[i].res_str = state->text;
        }
    }
    return 0;
}
