/* oneDNN's float32 batch norm behind three calls, for compare.py: create, run (0 train, 1 eval, 2 backward), destroy.
 * A failure gives NULL from bn_create, and a status that is not 0 from bn_run. */
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

enum { MODES = 3, ARRAYS = 10 };
typedef struct {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive[MODES];
    dnnl_memory_t memory[ARRAYS]; /* src dst dsrc ddst mean var scale shift dscale dshift */
    dnnl_exec_arg_t forward[6], backward[8];
} bn_t;

#define TRY(call) do { if ((call) != dnnl_success) return NULL; } while (0)

static int filled(bn_t *bn, int slot, const_dnnl_memory_desc_t md, int random) {
    size_t bytes = dnnl_memory_desc_get_size(md);
    float *p = aligned_alloc(64, (bytes + 4095) / 4096 * 4096);
    if (!p) return 1;
    for (size_t i = 0; i < bytes / 4; i++) p[i] = random ? (float)rand() / (float)RAND_MAX - 0.5f : 0.5f;
    return dnnl_memory_create(&bn->memory[slot], md, bn->engine, p);
}

void *bn_create(long n, long c, long h, long w, int channels_last) {
    bn_t *bn = calloc(1, sizeof *bn); /* a failed create leaks: the program then goes without oneDNN */
    dnnl_dims_t dims = {n, c, h, w}, channels = {c};
    dnnl_memory_desc_t x, v;
    dnnl_primitive_desc_t pd[MODES];
    unsigned affine = dnnl_use_scale | dnnl_use_shift;
    if (!bn) return NULL;
    TRY(dnnl_engine_create(&bn->engine, dnnl_cpu, 0));
    TRY(dnnl_stream_create(&bn->stream, bn->engine, 0));
    TRY(dnnl_memory_desc_create_with_tag(&x, 4, dims, dnnl_f32, channels_last ? dnnl_nhwc : dnnl_nchw));
    TRY(dnnl_memory_desc_create_with_tag(&v, 1, channels, dnnl_f32, dnnl_a));
    TRY(dnnl_batch_normalization_forward_primitive_desc_create(&pd[0], bn->engine, dnnl_forward_training, x, x, 1e-5f, affine, NULL));
    TRY(dnnl_batch_normalization_forward_primitive_desc_create(&pd[1], bn->engine, dnnl_forward_inference, x, x, 1e-5f,
                                                               affine | dnnl_use_global_stats, NULL));
    TRY(dnnl_batch_normalization_backward_primitive_desc_create(&pd[2], bn->engine, dnnl_backward, x, x, x, 1e-5f, affine, pd[0], NULL));
    for (int i = 0; i < MODES; i++) TRY(dnnl_primitive_create(&bn->primitive[i], pd[i]));
    for (int i = 0; i < MODES; i++) dnnl_primitive_desc_destroy(pd[i]);
    for (int i = 0; i < ARRAYS; i++)
        if (filled(bn, i, i < 4 ? x : v, i == 0 || i == 3)) return NULL;
    dnnl_memory_desc_destroy(x);
    dnnl_memory_desc_destroy(v);
    dnnl_memory_t *m = bn->memory;
    dnnl_exec_arg_t forward[] = {{DNNL_ARG_SRC, m[0]}, {DNNL_ARG_DST, m[1]}, {DNNL_ARG_MEAN, m[4]},
                                 {DNNL_ARG_VARIANCE, m[5]}, {DNNL_ARG_SCALE, m[6]}, {DNNL_ARG_SHIFT, m[7]}};
    dnnl_exec_arg_t backward[] = {{DNNL_ARG_SRC, m[0]}, {DNNL_ARG_DIFF_SRC, m[2]}, {DNNL_ARG_DIFF_DST, m[3]},
                                  {DNNL_ARG_MEAN, m[4]}, {DNNL_ARG_VARIANCE, m[5]}, {DNNL_ARG_SCALE, m[6]},
                                  {DNNL_ARG_DIFF_SCALE, m[8]}, {DNNL_ARG_DIFF_SHIFT, m[9]}};
    for (int i = 0; i < 6; i++) bn->forward[i] = forward[i];
    for (int i = 0; i < 8; i++) bn->backward[i] = backward[i];
    return bn;
}

int bn_run(void *state, int mode) {
    bn_t *bn = state;
    int status = mode == 2 ? dnnl_primitive_execute(bn->primitive[2], bn->stream, 8, bn->backward)
                           : dnnl_primitive_execute(bn->primitive[mode], bn->stream, 6, bn->forward);
    return status ? status : (int)dnnl_stream_wait(bn->stream);
}

void bn_destroy(void *state) {
    bn_t *bn = state;
    for (int i = 0; i < ARRAYS; i++) {
        void *p;
        dnnl_memory_get_data_handle(bn->memory[i], &p);
        dnnl_memory_destroy(bn->memory[i]);
        free(p);
    }
    for (int i = 0; i < MODES; i++) dnnl_primitive_destroy(bn->primitive[i]);
    dnnl_stream_destroy(bn->stream);
    dnnl_engine_destroy(bn->engine);
    free(bn);
}
