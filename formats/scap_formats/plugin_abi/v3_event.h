/* Plugin API 3.x: the event, whose members are not aligned. It is declared before v3.h, packed. */
typedef struct ss_plugin_event { uint64_t ts; uint64_t tid; uint32_t len; uint16_t type; uint32_t nparams; } ss_plugin_event;
