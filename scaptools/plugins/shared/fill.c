/* The loop over batches that writes events as blocks; compiled after the declarations of an API generation and loop.h.
   A batch is checked as a whole before any of it is written, so that a bad one leaves nothing behind. */
#include <stdio.h>
#include <time.h>

enum outcome {
    FILLED, CAME_TO_CODE, LONG_BATCH, NO_EVENTS, EMPTY_BATCH, LARGE_EVENT, UNREADABLE, OTHER_EVENT, FOREIGN_EVENT, NO_ROOM
};
enum { BLOCK_HEAD = 10, EVENT_HEAD = 38, TRAILER = 4, EVENT_BLOCK_LARGE = 0x221, KNOWN = 8 };

/* Whether memory can be read, by the system's list of mappings; what was found is kept for as long as one slot takes. */
static int look_up(scap_filling *f, uint64_t address, uint64_t size) {
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps) {
        return 0;
    }
    char line[512];
    uint64_t low = 0, high = 0;
    int whole = 1, found = 0;
    while (!found && fgets(line, sizeof line, maps)) {
        unsigned long long first, last;
        char mode;
        int starts_here = whole;
        whole = strchr(line, '\n') != NULL;
        if (!starts_here || sscanf(line, "%llx-%llx %c", &first, &last, &mode) != 3 || mode != 'r') {
            continue;
        }
        low = first == high ? low : first;
        high = last;
        found = address >= low && address < high && size <= high - address;
    }
    fclose(maps);
    if (found) {
        f->low[f->known % KNOWN] = low;
        f->high[f->known % KNOWN] = high;
        f->known++;
    }
    return found;
}

static int readable(scap_filling *f, const void *pointer, uint64_t size) {
    uint64_t address = (uint64_t)(uintptr_t)pointer;
    if (!size) {
        return 1;
    }
    for (uint32_t i = 0; i < f->known && i < KNOWN; i++) {
        if (address >= f->low[i] && address < f->high[i] && size <= f->high[i] - address) {
            return 1;
        }
    }
    return look_up(f, address, size);
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static uint32_t word(const char *from) {
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

#if API_MAJOR == 3
#define EVENTS ss_plugin_event **
static uint64_t time_of(ss_plugin_event **events, uint32_t i) { return events[i]->ts; }
static uint32_t size_of(ss_plugin_event **events, uint32_t i) { return events[i]->len - EVENT_HEAD; }
static const void *payload_of(ss_plugin_event **events, uint32_t i) { return (const char *)events[i] + EVENT_HEAD; }
#else
#define EVENTS ss_plugin_event *
static uint64_t time_of(const ss_plugin_event *events, uint32_t i) { return events[i].ts; }
static uint32_t size_of(const ss_plugin_event *events, uint32_t i) { return events[i].datalen; }
static const void *payload_of(const ss_plugin_event *events, uint32_t i) { return events[i].data; }
#endif

static enum outcome check(scap_filling *f, EVENTS events) {
    if (!readable(f, events, f->count * sizeof *events)) {
        return UNREADABLE;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        f->details[0] = i;
#if API_MAJOR == 3
        const char *event = (const char *)events[i];
        if (!readable(f, event, EVENT_HEAD)) {
            return UNREADABLE;
        }
        const ss_plugin_event *e = events[i];
        uint32_t id = word(event + EVENT_HEAD - 4);
        if (e->type != f->event_type || e->nparams != 2 || word(event + EVENT_HEAD - 12) != 4 ||
            (int64_t)e->len - EVENT_HEAD != (int64_t)word(event + EVENT_HEAD - 8)) {
            f->details[0] = e->type, f->details[1] = e->nparams, f->details[2] = e->len;
            return OTHER_EVENT;
        }
        if (id && id != f->plugin_id) {
            f->details[0] = id;
            return FOREIGN_EVENT;
        }
#endif
        uint32_t size = size_of(events, i);
        if (size > f->largest_event) {
            f->details[0] = size;
            return LARGE_EVENT;
        }
        if (!readable(f, payload_of(events, i), size)) {
            return UNREADABLE;
        }
    }
    return FILLED;
}

static enum outcome next(scap_filling *f) {
#if API_MAJOR == 3
    ss_plugin_rc (*ask)(void *, void *, uint32_t *, ss_plugin_event ***) = f->function;
#else
    ss_plugin_rc (*ask)(void *, void *, uint32_t *, ss_plugin_event **) = f->function;
#endif
    EVENTS events = NULL;
    f->count = f->taken = 0;
    f->code = ask(f->state, f->instance, &f->count, &events);
    f->events = events;
    uint32_t count = f->count;
    if (count > f->longest_batch || (count && !events) || (!count && f->code == 0)) {
        f->details[0] = count;
        f->count = 0;
        return count > f->longest_batch ? LONG_BATCH : count ? NO_EVENTS : EMPTY_BATCH;
    }
    enum outcome checked = check(f, events);
    if (checked != FILLED) {
        f->count = 0;
    }
    return checked;
}

/* One event as a block; what follows it is written first, as whole words, and then the payload over its start. */
static void put(scap_filling *f, char *block, uint32_t size, uint32_t total, uint64_t ts, const void *payload) {
    uint32_t head[2] = {EVENT_BLOCK_LARGE, total};
    uint16_t cpu = 0, type = (uint16_t)f->event_type;
    uint64_t thread = ~0ULL;
    uint32_t length = size + EVENT_HEAD, parameters[4] = {2, 4, size, f->plugin_id};
    memset(block + total - 2 * TRAILER, 0, TRAILER);
    memcpy(block + total - TRAILER, &total, TRAILER);
    memcpy(block, head, sizeof head);
    memcpy(block + 8, &cpu, 2);
    memcpy(block + 10, &ts, 8);
    memcpy(block + 18, &thread, 8);
    memcpy(block + 26, &length, 4);
    memcpy(block + 30, &type, 2);
    memcpy(block + 32, parameters, sizeof parameters);
    if (size) {
        memcpy(block + BLOCK_HEAD + EVENT_HEAD, payload, size);
    }
}

int32_t scap_fill(scap_filling *f) {
    f->known = 0;
    for (;;) {
        if (f->taken == f->count) {
            if (f->counts[1] >= f->full_bytes || f->counts[0] >= f->capacity) {
                return FILLED;
            }
            enum outcome got = next(f);
            if (got != FILLED) {
                return got;
            }
        }
        EVENTS events = f->events;
        uint64_t put_events = f->counts[0], used = f->counts[1], payload_bytes = f->counts[2], now = 0;
        int full = 0;
        while (f->taken < f->count) {
            uint32_t size = size_of(events, f->taken);
            uint64_t total = ((uint64_t)size + BLOCK_HEAD + EVENT_HEAD + 3) / 4 * 4 + TRAILER;
            if (put_events == f->capacity || (put_events && used + total > f->full_bytes)) {
                full = 1;
                break;
            }
            if (used + total > f->room) {
                f->details[0] = used + total;
                return NO_ROOM;
            }
            uint64_t ts = time_of(events, f->taken);
            if (ts == ~0ULL) {
                now = now ? now : clock_ns(CLOCK_REALTIME) / 1000 * 1000;
                ts = now;
            }
            put(f, f->data + used, size, (uint32_t)total, ts, payload_of(events, f->taken));
            f->latest_ns = ts;
            payload_bytes += size;
            put_events++;
            used += total;
            f->taken++;
        }
        /* Counted once they are there, so that what is counted can be read whatever becomes of this process. */
        f->counts[2] = payload_bytes;
        f->counts[1] = used;
        __atomic_store_n(&f->counts[0], put_events, __ATOMIC_RELEASE);
        if (full) {
            return FILLED;
        }
        if (f->code) {
            return CAME_TO_CODE;
        }
        if (clock_ns(CLOCK_MONOTONIC) > f->deadline_ns) {
            return FILLED;
        }
    }
}

int64_t scap_blocks_size(const char *data, uint64_t room, uint64_t events) {
    uint64_t left = room;
    for (uint64_t i = 0; i < events; i++) {
        if (left < BLOCK_HEAD + EVENT_HEAD + TRAILER || word(data) != EVENT_BLOCK_LARGE) {
            return -1;
        }
        uint32_t total = word(data + 4);
        if (total < BLOCK_HEAD + EVENT_HEAD + TRAILER || total > left || total % 4 || word(data + total - 4) != total) {
            return -1;
        }
        data += total;
        left -= total;
    }
    return (int64_t)(room - left);
}
