/* generate_output.c: see generate_output.h. SPDX-License-Identifier: Apache-2.0 */
#include "generate_output.h"

#include "exit.h"
#include "json.h"
#include "llm/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---- */

static int fail_printing(void)
{
    return tool_fail(EXIT_CHECK, "write error: %s", strerror(errno));
}

int generate_print_ids(const llm_tokenizer *tokenizer, const uint32_t *ids, size_t from, size_t n)
{
    llm_text text = { 0 };
    int code = 0;
    if (llm_text_add(&text, tokenizer, ids, from, n)) code = tool_fail(EXIT_CHECK, "out of memory for text");
    else if (text.n && fwrite(text.bytes, 1, text.n, stdout) != text.n) code = fail_printing();
    free(text.bytes);
    return code;
}

/* What tells texts apart where there are several. */
static void print_heading(const generate_run *run)
{
    const uint32_t samples = run->options->samples;
    if (run->n_requests == 1) return;
    printf("%s== prompt %zu", run->printed ? "\n" : "", run->printed / samples + 1);
    if (samples > 1) printf(", sample %zu", run->printed % samples + 1);
    printf(" ==\n");
}

void generate_print_texts(generate_run *run)
{
    while (!run->code && run->printed < run->n_requests) {
        const llm_request *r = run->requests[run->printed];
        if (r->n_ids > run->printed_ids) {
            if (!run->printed_ids) print_heading(run);
            run->code = generate_print_ids(run->tokenizer, r->ids, run->printed_ids, r->n_ids);
            run->printed_ids = r->n_ids;
        }
        if (r->finish == LLM_FINISH_NOT || run->code) break;
        putchar('\n');
        run->printed++;
        run->printed_ids = 0;
    }
    if (!run->code && (fflush(stdout) || ferror(stdout))) run->code = fail_printing();
}

/* ---- JSON ---- */

static const char *finish_name(const generate_run *run, const llm_request *r)
{
    if (r->finish == LLM_FINISH_END) return "end";
    return r->most <= run->options->steps ? "context" : "steps";
}

static void add_result(cJSON *to, const generate_run *run, const llm_request *r)
{
    const uint32_t generated = r->n_ids - r->n_prompt;
    llm_text text = { 0 };
    cJSON *ids = cJSON_CreateArray();
    for (uint32_t i = 0; i < r->n_ids; i++) json_u64(ids, NULL, r->ids[i]);
    json_add(to, "ids", ids);
    if (llm_text_add(&text, run->tokenizer, r->ids, 0, r->n_ids)) json_null(to, "text");
    else json_text(to, "text", text.n ? text.bytes : "");
    free(text.bytes);
    json_text(to, "finish", finish_name(run, r));
    json_u64(to, "prompt_tokens", r->n_prompt);
    json_u64(to, "reused_tokens", r->reused);
    json_u64(to, "generated_tokens", generated);
    json_u64(to, "drafts_offered", r->offered);
    json_u64(to, "drafts_accepted", r->accepted);
    if (r->first > 0) json_real(to, "time_to_first_token_s", r->first - r->begun);
    else json_null(to, "time_to_first_token_s");
    if (generated > 1 && r->ended > r->first)
        json_real(to, "tokens_per_s", (generated - 1) / (r->ended - r->first));
    else json_null(to, "tokens_per_s");
}

static cJSON *prompts_of(const generate_run *run)
{
    const uint32_t samples = run->options->samples;
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < run->prompts->n; i++) {
        cJSON *one = cJSON_CreateObject();
        json_text(one, "prompt", run->prompts->items[i].text);
        add_result(one, run, run->requests[i * samples]);
        json_u64(one, "cut_tokens", run->prompts->items[i].n - run->requests[i * samples]->n_prompt);
        cJSON *list = samples > 1 ? cJSON_CreateArray() : NULL;
        for (uint32_t s = 0; list && s < samples; s++) {
            cJSON *sample = cJSON_CreateObject();
            add_result(sample, run, run->requests[i * samples + s]);
            json_add(list, NULL, sample);
        }
        if (list) json_add(one, "samples", list);
        json_add(all, NULL, one);
    }
    return all;
}

static void add_totals(cJSON *to, const generate_run *run)
{
    uint64_t prompt = 0, reused = 0, offered = 0, accepted = 0;
    for (size_t i = 0; i < run->n_requests; i++) {
        const llm_request *r = run->requests[i];
        offered += r->offered;
        accepted += r->accepted;
        if (i % run->options->samples) continue; /* a fork's prompt is its first sample's */
        prompt += r->n_prompt;
        reused += r->reused;
    }
    json_u64(to, "prompt_tokens", prompt);
    json_u64(to, "reused_tokens", reused);
    json_u64(to, "generated_tokens", run->generated);
    json_u64(to, "steps", run->steps);
    json_u64(to, "drafts_offered", offered);
    json_u64(to, "drafts_accepted", accepted);
    json_real(to, "load_s", run->load_seconds);
    json_real(to, "seconds", run->seconds);
    json_real(to, "tokens_per_s", run->seconds > 0 ? (double)run->generated / run->seconds : 0);
}

static void add_times(cJSON *to, const generate_run *run)
{
    double attention, gemm, other;
    llm_runtime_times(run->runtime, &attention, &gemm, &other);
    cJSON *times = cJSON_CreateObject();
    json_real(times, "attention", attention);
    json_real(times, "projections", gemm);
    json_real(times, "other", other);
    json_add(to, "device_s", times);
}

static void add_setting(cJSON *to, const generate_run *run)
{
    clkv_cache *cache = llm_runtime_cache(run->runtime);
    clkv_device_info info = CLKV_PARAMS_INIT(clkv_device_info);
    char device[256] = "";
    if (!clkv_device_get_info(clkv_cache_device(cache), &info))
        snprintf(device, sizeof device, "%s / %s (%s)", info.platform, info.name, info.variant);
    json_text(to, "model", *run->model->name ? run->model->name : run->options->model);
    json_text(to, "architecture", run->model->architecture);
    json_text(to, "device", device);
    json_text(to, "weights", generate_options_weights(run->options, run->model) == CLKV_F32 ? "f32" : "f16");
    json_text(to, "kv", generate_options_kv(run->options, run->model) == CLKV_F32 ? "f32" : "f16");
    json_u64(to, "block_size", clkv_manager_block_size(clkv_cache_manager(cache)));
}

int generate_print_json(const generate_run *run)
{
    clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
    clkv_status status = clkv_cache_get_stats(llm_runtime_cache(run->runtime), &stats);
    if (status) return tool_fail_status(status, "statistics");
    char text[2048];
    if (clkv_stats_json(&stats, text, sizeof text) >= sizeof text)
        return tool_fail(EXIT_CHECK, "the statistics are longer than %zu bytes", sizeof text);
    cJSON *root = cJSON_CreateObject();
    add_setting(root, run);
    json_add(root, "prompts", prompts_of(run));
    add_totals(root, run);
    json_u64(root, "preemptions", stats.preemptions);
    if (run->options->profile) add_times(root, run);
    json_add(root, "cache", cJSON_CreateRaw(text));
    return json_print(root, stdout);
}
