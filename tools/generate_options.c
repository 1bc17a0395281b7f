/* generate_options.c: see generate_options.h. SPDX-License-Identifier: Apache-2.0 */
#include "generate_options.h"

#include "exit.h"
#include "llm/dequant.h"
#include "llm/gguf_model.h"
#include "llm/make_random.h"
#include "llm/tokenizer_split.h"
#include "variant.h"

#include <stdio.h>

static generate_options options = {
    .samples = 1, .steps = 256, .seed = 1, .concurrency = 16, .chunk = 512, .block_size = 16, .top_p = 1,
};

static const char *const weight_types[] = { "file", "f16", "f32", NULL };
static const char *const kv_types[] = { "auto", "f16", "f32", NULL };
static const char *const gemm_ways[] = { "auto", "own", "clblast", NULL }; /* as in llm_gemm_way */
static const char *const random_types[] = { "f16", "q8_0", NULL };

static const option_def table[] = {
    { .kind = OPTION_HEADING, .help = "The model" },
    { "model", OPTION_TEXT, "FILE", "a GGUF file of an accepted kind (see below), or a llama2.c checkpoint",
      &options.model },
    { "tokenizer", OPTION_TEXT, "FILE", "a llama2.c tokenizer file; a GGUF file has its vocabulary in itself",
      &options.tokenizer },
    { "weights", OPTION_CHOICE, NULL,
      "how weights are kept on the device; file: f32 when the file has them so, else f16", &options.weights,
      .choices = weight_types },
    { .kind = OPTION_HEADING, .help = "Prompts (none: an empty one)" },
    { "prompt", OPTION_TEXTS, "TEXT", "may be given several times, and may be empty", &options.prompts },
    { "prompt-file", OPTION_TEXTS, "FILE", "a whole file is a prompt, but for its last line end; may be given "
      "several times, and comes after --prompt; - reads standard input", &options.prompt_files },
    { "prompts", OPTION_TEXT, "FILE", "a prompt in each line, after the others; - reads standard input",
      &options.prompts_file },
    { "samples", OPTION_U32, "N", "continue each prompt N times; the prompt is computed once", &options.samples,
      .min = 1, .max = 4096 },
    { "steps", OPTION_U32, "N",
      "positions of each text, its prompt included, and at most what the model was made for; with --interactive "
      "the tokens of an answer", &options.steps, .min = 1, .max = 1 << 24 },
    { "interactive", OPTION_FLAG, NULL, "a chat: each line of standard input is answered; what was said stays in "
      "the cache; /help lists its commands", &options.interactive },
    { .kind = OPTION_HEADING, .help = "Sampling" },
    { "temperature", OPTION_REAL, "T", "0 takes the likeliest token", &options.temperature, .real_min = 0,
      .real_max = 1000 },
    { "top-k", OPTION_U32, "N", "only the N likeliest tokens; 0 = all", &options.top_k },
    { "top-p", OPTION_REAL, "P",
      "only the likeliest tokens that together have probability P; 1 = all, 0 = only the likeliest one",
      &options.top_p, .real_min = 0, .real_max = 1 },
    { "min-p", OPTION_REAL, "P", "only tokens of at least P times the likeliest one's probability; 0 = all",
      &options.min_p, .real_min = 0, .real_max = 1 },
    { "seed", OPTION_U64, "N", "of the random numbers; every prompt begins with it", &options.seed, .min = 1 },
    { "ignore-end", OPTION_FLAG, NULL, "go on after tokens that end a text; for measuring", &options.ignore_end },
    { .kind = OPTION_HEADING, .help = "Serving" },
    { "concurrency", OPTION_U32, "N", "texts that are generated at a time; at least --samples",
      &options.concurrency, .min = 1, .max = 4096 },
    { "chunk", OPTION_U32, "N",
      "tokens of a step: one for each text that is being continued, and the rest for prompts (at least a block)",
      &options.chunk, .min = 1, .max = 1 << 16 },
    { "draft", OPTION_U32, "N",
      "guess up to N tokens ahead from what the text said before, and verify them in one step; the text is "
      "the same",
      &options.draft, .max = 64 },
    { .kind = OPTION_HEADING, .help = "The KV cache" },
    { "kv", OPTION_CHOICE, NULL, "how keys and values are kept; auto: f32 beside weights that are kept so, else f16",
      &options.kv, .choices = kv_types },
    { "block-size", OPTION_U32, "N", "tokens per block, a power of two up to 256", &options.block_size, .min = 1,
      .max = 256 },
    { "blocks", OPTION_U32, "N", "blocks in the pool", &options.blocks, .min = 1, .max = UINT32_C(1) << 31,
      .given = &options.blocks_given,
      .absent = "what --concurrency texts of --steps can use, at most half of the device" },
    { "memory", OPTION_SIZE, "SIZE", "the same in bytes: 512M, 4G", &options.memory, .min = 1,
      .given = &options.memory_given, .absent = "" },
    { .kind = OPTION_HEADING, .help = "The device" },
    { "device", OPTION_TEXT, "D", "its index or a part of its name, as clkv-info lists them; default: the best",
      &options.device },
    { "variant", OPTION_TEXT, "V", "force a kernel variant: cpu or portable", &options.variant,
      .choices = variant_names },
    { "gemm", OPTION_CHOICE, NULL,
      "who multiplies matrices: our own kernels or CLBlast; auto: our own on CPUs, else CLBlast for more than "
      "a few tokens", &options.gemm, .choices = gemm_ways },
    { "profile", OPTION_FLAG, NULL, "measure device time in attention, in projections and elsewhere; with --json",
      &options.profile },
    { .kind = OPTION_HEADING, .help = "Output" },
    { "stream", OPTION_FLAG, NULL, "print text as it is generated", &options.stream },
    { "json", OPTION_FLAG, NULL, "print one JSON object", &options.json },
    { .kind = OPTION_HEADING, .help = "Random models, for measuring speed" },
    { "make-random", OPTION_TEXT, "SHAPE", "write a GGUF file of random weights to FILE, and do nothing else. An "
      "unknown shape's message lists them", &options.make_random },
    { "random-type", OPTION_CHOICE, NULL, "of its matrices", &options.random_type, .choices = random_types },
};

static const option_set set = {
    "[FILE]",
    "Continues prompts with a language model whose keys and values live in clkv's paged cache: many at once, in\n"
    "one pool of blocks.",
    table,
    sizeof table / sizeof *table,
    0,
    1,
    "GGUF files that are accepted (docs/models.md has the details):\n"
    "  architectures   " LLM_ARCHITECTURE_NAMES ", without mixtures of experts\n"
    "  types           " LLM_TYPE_NAMES "\n"
    "  vocabularies    SentencePiece; byte-level BPE with the pre-tokenizer\n"
    "                  " LLM_SPLIT_NAMES "\n\n"
    "Example:\n  clkv-generate --model stories.gguf --prompt 'Once upon a time' --prompt 'The sun was' --stream",
};

static int check(const generate_options *o)
{
    if (o->make_random) return o->file ? -1 : tool_fail(EXIT_USAGE, "--make-random: which FILE?");
    if (o->file) return tool_fail(EXIT_USAGE, "unexpected argument %s: only --make-random takes one", o->file);
    if (!o->model) return tool_fail(EXIT_USAGE, "--model FILE is missing (see %s --help)", tool_name());
    if (o->block_size & (o->block_size - 1))
        return tool_fail(EXIT_USAGE, "--block-size: %u is not a power of two", (unsigned)o->block_size);
    if (o->blocks_given && o->memory_given) return tool_fail(EXIT_USAGE, "--blocks and --memory: give one of them");
    if (o->samples > 4096 / (1 + o->draft))
        return tool_fail(EXIT_USAGE, "--samples %u with --draft %u is too much", (unsigned)o->samples,
                         (unsigned)o->draft);
    if (o->interactive && (o->prompts.n || o->prompt_files.n || o->prompts_file))
        return tool_fail(EXIT_USAGE, "--interactive takes its prompts from standard input");
    if (o->interactive && (o->json || o->samples > 1))
        return tool_fail(EXIT_USAGE, "--interactive goes with neither --json nor --samples");
    if (o->json && o->stream) return tool_fail(EXIT_USAGE, "--json and --stream: give one of them");
    if (o->profile && !o->json) return tool_fail(EXIT_USAGE, "--profile is for --json");
    return -1;
}

int generate_options_read(generate_options *o, int argc, char **argv)
{
    int first, code = options_parse(&set, argc, argv, &first);
    if (code >= 0) return code;
    if (first < argc) options.file = argv[first];
    if (options.concurrency < options.samples) options.concurrency = options.samples;
    *o = options;
    return check(o);
}

llm_sampler_params generate_options_sampling(const generate_options *o)
{
    return (llm_sampler_params){
        .temperature = (float)o->temperature,
        .top_p = (float)o->top_p,
        .min_p = (float)o->min_p,
        .top_k = o->top_k,
        .seed = o->seed,
    };
}

clkv_type generate_options_weights(const generate_options *o, const llm_model *model)
{
    if (o->weights) return o->weights == 1 ? CLKV_F16 : CLKV_F32;
    return model->layers[0].wq.type == LLM_F32 ? CLKV_F32 : CLKV_F16;
}

clkv_type generate_options_kv(const generate_options *o, const llm_model *model)
{
    if (o->kv) return o->kv == 1 ? CLKV_F16 : CLKV_F32;
    return generate_options_weights(o, model);
}
