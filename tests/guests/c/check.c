// A check in C: a process called `name` runs.

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "running.h"

typedef exports_vrrp_host_plugin_checker_metadata_t metadata_t;
typedef exports_vrrp_host_plugin_checker_plan_t plan_t;
typedef exports_vrrp_host_plugin_checker_list_config_error_t errors_t;
typedef exports_vrrp_host_plugin_checker_config_error_t error_t;
typedef exports_vrrp_host_plugin_checker_run_context_t context_t;
typedef exports_vrrp_host_plugin_checker_observation_t observation_t;
typedef exports_vrrp_host_plugin_checker_check_error_t check_error_t;

static const char START[] = "{\"name\":\"";
static const char END[] = "\"}";

// Command names have at most 15 bytes.
static char name[16];

// Two texts in one, to be handed over: the bindings free it. Without stdio, which would bring WASI along.
static void join(running_string_t *text, const char *first, const char *second) {
    size_t length = strlen(first);
    text->len = length + strlen(second);
    text->ptr = malloc(text->len);
    memcpy(text->ptr, first, length);
    memcpy(text->ptr + length, second, text->len - length);
}

void exports_vrrp_host_plugin_checker_describe(metadata_t *metadata) {
    running_string_dup(&metadata->name, "running-c");
    running_string_dup(&metadata->version, "1.0.0");
    running_string_dup(&metadata->description, "A process runs.");
    running_string_dup(&metadata->config_schema,
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}},"
        "\"required\":[\"name\"],\"additionalProperties\":false}");
}

// The config is compact JSON. A real check would have a parser; this one knows the one text that it wants.
static bool read_name(const running_string_t *config) {
    size_t start = sizeof START - 1, end = sizeof END - 1;
    if (config->len < start + end || memcmp(config->ptr, START, start) != 0
        || memcmp(config->ptr + config->len - end, END, end) != 0) {
        return false;
    }
    size_t length = config->len - start - end;
    if (length == 0 || length >= sizeof name || memchr(config->ptr + start, '"', length) != NULL) {
        return false;
    }
    memcpy(name, config->ptr + start, length);
    name[length] = '\0';
    return true;
}

bool exports_vrrp_host_plugin_checker_configure(running_string_t *config, plan_t *plan, errors_t *errors) {
    bool valid = read_name(config);
    running_string_free(config);
    if (!valid) {
        errors->len = 1;
        errors->ptr = malloc(sizeof(error_t));
        running_string_dup(&errors->ptr[0].pointer, "/name");
        running_string_dup(&errors->ptr[0].message, "write the name of a process, and nothing else");
        return false;
    }
    plan->triggers.len = 2;
    plan->triggers.ptr = malloc(2 * sizeof(vrrp_host_plugin_types_trigger_t));
    plan->triggers.ptr[0].tag = VRRP_HOST_PLUGIN_TYPES_TRIGGER_PROCESS_STARTED;
    running_string_dup(&plan->triggers.ptr[0].val.process_started, name);
    plan->triggers.ptr[1].tag = VRRP_HOST_PLUGIN_TYPES_TRIGGER_PROCESS_EXITED;
    running_string_dup(&plan->triggers.ptr[1].val.process_exited, name);
    plan->needs.len = 1;
    plan->needs.ptr = malloc(sizeof(running_string_t));
    join(&plan->needs.ptr[0], "process:", name);
    return true;
}

bool exports_vrrp_host_plugin_checker_run(context_t *context, observation_t *observation, check_error_t *error) {
    exports_vrrp_host_plugin_checker_run_context_free(context);
    running_string_t wanted;
    running_string_set(&wanted, name);
    vrrp_host_plugin_process_list_info_t found;
    vrrp_host_plugin_process_error_t refused;
    if (!vrrp_host_plugin_process_find(&wanted, &found, &refused)) {
        error->tag = refused == VRRP_HOST_PLUGIN_PROCESS_ERROR_DENIED
            ? VRRP_HOST_PLUGIN_TYPES_CHECK_ERROR_DENIED
            : VRRP_HOST_PLUGIN_TYPES_CHECK_ERROR_UNAVAILABLE;
        // Every case holds a string.
        join(&error->val.denied, "process:", name);
        return false;
    }
    observation->weight.is_some = false;
    observation->facts.len = 0;
    observation->facts.ptr = NULL;
    if (found.len == 0) {
        observation->verdict = VRRP_HOST_PLUGIN_TYPES_VERDICT_FAILING;
        join(&observation->summary, "no process named ", name);
    } else {
        observation->verdict = VRRP_HOST_PLUGIN_TYPES_VERDICT_PASSING;
        // 10 digits and the end; written from behind.
        char number[11], *digit = &number[10];
        *digit = '\0';
        for (uint32_t pid = found.ptr[0].pid; pid != 0; pid /= 10) {
            *--digit = (char)('0' + pid % 10);
        }
        char rest[sizeof " runs as " + sizeof number];
        strcpy(rest, " runs as ");
        strcat(rest, digit);
        join(&observation->summary, name, rest);
    }
    vrrp_host_plugin_process_list_info_free(&found);
    return true;
}
