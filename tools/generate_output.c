/* generate_output.c: see generate_output.h. SPDX-License-Identifier: Apache-2.0 */
#include "generate_output.h"

#include "exit.h"
#include "json.h"
#include "llm/text.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- text ---- */

int generate_print_ids(const llm_tokenizer *tokenizer, const uint32_t *ids, size_t from, size_t n)
{
    llm_text text = { 0 };
    int code = 0;
    if (llm_text_add(&text, tokenizer, ids, from, n)) code = tool_fail(EXIT_CHECK, "out of memory for text");
    else output_bytes(&output_out, text.bytes, text.n);
    free(text.bytes);
    return code;
}

/* What tells texts apart where there are several. */
static void print_heading(generate_run *run)
{
    const uint32_t samples = run->options->samples;
    if (run->n_requests == 1) return;
    output_printf(&output_out, "%s== prompt %zu", run->any_heading ? "\n" : "", run->printed / samples + 1);
    if (samples > 1) output_printf(&output_out, ", sample %zu", run->printed % samples + 1);
    output_text(&output_out, " ==\n");
    run->any_heading = true;
}

static bool is_begun(const llm_request *r)
{
    return r->finish != LLM_FINISH_NOT || r->n_ids > r->n_prompt;
}

void generate_print_texts(generate_run *run)
{
    while (!run->code && run->printed < run->n_requests) {
        const llm_request *r = run->requests[run->printed];
        const bool left_out = run->stopped && !run->printed_ids && !is_begun(r);
        if (r->n_ids > run->printed_ids && !left_out) {
            if (!run->printed_ids) print_heading(run);
            run->code = generate_print_ids(run->tokenizer, r->ids, run->printed_ids, r->n_ids);
            run->printed_ids = r->n_ids;
        }
        if ((r->finish == LLM_FINISH_NOT && !run->stopped) || run->code) break;
        if (!left_out) output_text(&output_out, "\n");
        if (r->finish == LLM_FINISH_NOT && !left_out && run->n_requests > 1)
            output_text(&output_out, "== not finished ==\n");
        run->printed++;
        run->printed_ids = 0;
    }
    if (!run->code) run->code = tool_flush(&output_out);
}

void generate_tell_stopped(const generate_run *run)
{
    size_t finished = 0, begun = 0;
    for (size_t i = 0; i < run->n_requests; i++) {
        finished += run->requests[i]->finish != LLM_FINISH_NOT;
        begun += is_begun(run->requests[i]);
    }
    if (run->n_requests == 1)
        tool_note("%s; the text is %sfinished", run->stopped, finished ? "" : "not ");
    else
        tool_note("%s; of %zu texts: %zu finished, %zu not finished, %zu not begun", run->stopped,
                  run->n_requests, finished, begun - finished, run->n_requests - begun);
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
    else json_bytes(to, "text", text.n ? text.bytes : "", text.n);
    free(text.bytes);
    const bool finished = r->finish != LLM_FINISH_NOT;
    json_bool(to, "finished", finished);
    if (finished) json_text(to, "finish", finish_name(run, r));
    else json_null(to, "finish");
    if (!finished && run->stopped) json_text(to, "reason", run->stopped);
    else json_null(to, "reason");
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

/* Statistics that cannot be had are null: the texts are worth more. Returns 0, or the code to exit with. */
static int add_cache(cJSON *to, const generate_run *run)
{
    char text[2048];
    int code = 0;
    clkv_stats stats = CLKV_PARAMS_INIT(clkv_stats);
    clkv_status status = clkv_cache_get_stats(llm_runtime_cache(run->runtime), &stats);
    if (status) code = tool_fail_status(status, "statistics");
    else if (clkv_stats_json(&stats, text, sizeof text) >= sizeof text)
        code = tool_fail(EXIT_CHECK, "the statistics are longer than %zu bytes", sizeof text);
    if (code) {
        json_null(to, "preemptions");
        json_null(to, "cache");
        return code;
    }
    json_u64(to, "preemptions", stats.preemptions);
    json_add(to, "cache", cJSON_CreateRaw(text));
    return 0;
}

int generate_print_json(const generate_run *run)
{
    cJSON *root = cJSON_CreateObject();
    add_setting(root, run);
    json_bool(root, "finished", !run->stopped);
    if (run->stopped) json_text(root, "reason", run->stopped);
    else json_null(root, "reason");
    json_add(root, "prompts", prompts_of(run));
    add_totals(root, run);
    if (run->options->profile) add_times(root, run);
    const int incomplete = add_cache(root, run), unwritten = json_print(root, &output_out);
    return unwritten ? unwritten : incomplete;
}
