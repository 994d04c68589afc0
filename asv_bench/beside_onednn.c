/* numbanorm's C library beside oneDNN's in one program: batch norm in three modes, and a small call's latency.
 *
 *     cc -O2 beside_onednn.c onednn_batch_norm.c -I PREFIX/include -I ONEDNN/include -L PREFIX/lib -L ONEDNN/lib \
 *        -lnumbanorm -ldnnl -lm -o beside && OMP_NUM_THREADS=2 ./beside
 *
 * Each figure is oneDNN's time divided by numbanorm's, each the best of several, taken in turn with a pause for the
 * other's threads to go to sleep. Results are preallocated; arrays are written to before. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <numbanorm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *bn_create(long n, long c, long h, long w, int channels_last);
int bn_run(void *state, int mode);
void bn_destroy(void *state);

enum { TRAIN, EVAL, BACKWARD, MODES, ROUNDS = 9 };
static const char *const modes[] = {"train", "eval", "backward"};

typedef struct {
    int64_t n, c, s;
    nbn_layout layout;
    float *x, *y, *dy, *parameters[8]; /* weight bias mean var rstd dweight dbias running */
} arrays;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *filled(int64_t count) {
    float *p = aligned_alloc(64, (size_t)(count * 4 + 4095) / 4096 * 4096);
    if (!p) exit(1);
    for (int64_t i = 0; i < count; i++) p[i] = (float)rand() / (float)RAND_MAX + 0.5f;
    return p;
}

static int ours(const arrays *a, int mode) {
    float *const *p = a->parameters;
    if (mode == TRAIN)
        return nbn_batch_norm_train_f32(a->y, a->x, a->layout, a->n, a->c, a->s, p[0], p[1], NULL, NULL, 0.1, 1e-5,
                                        p[2], p[4]);
    if (mode == EVAL)
        return nbn_batch_norm_infer_f32(a->y, a->x, a->layout, a->n, a->c, a->s, p[0], p[1], p[2], p[3], 1e-5);
    return nbn_batch_norm_backward_f32(a->y, p[5], p[6], a->dy, a->x, a->layout, a->n, a->c, a->s, p[0], p[2], p[4], 1);
}

static double timed(const arrays *a, void *theirs, int mode, int calls) {
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
    double best = 1e9;
    for (int i = 0; i < calls; i++) {
        double start = now();
        if (theirs ? bn_run(theirs, mode) : ours(a, mode)) exit(2);
        double taken = now() - start;
        if (i > 0 && taken < best) best = taken;
    }
    return best;
}

static double compare(const arrays *a, void *theirs, int mode) {
    double best[2] = {1e9, 1e9};
    for (int round = 0; round < ROUNDS; round++)
        for (int who = 0; who < 2; who++) {
            double taken = timed(a, who ? theirs : NULL, mode, 4);
            if (taken < best[who]) best[who] = taken;
        }
    printf("%5ld %5ld %6ld %s %-8s %9.0f us %9.0f us %6.2f\n", (long)a->n, (long)a->c, (long)a->s,
           a->layout == NBN_NHWC ? "NHWC" : "NCHW", modes[mode], best[1] * 1e6, best[0] * 1e6, best[1] / best[0]);
    return best[1] / best[0];
}

static void small_call(void) {
    enum { CALLS = 100000 };
    float x[384], y[384], mean[3] = {0}, var[3] = {1, 1, 1};
    double best[2] = {1e9, 1e9};
    for (int i = 0; i < 384; i++) x[i] = (float)i;
    for (int round = 0; round < ROUNDS; round++)
        for (int mode = 0; mode < 2; mode++) {
            double start = now();
            for (int i = 0; i < CALLS; i++)
                if (mode == TRAIN ? nbn_batch_norm_train_f32(y, x, NBN_NCHW, 2, 3, 64, NULL, NULL, mean, var, 0.1, 1e-5,
                                                             NULL, NULL)
                                  : nbn_batch_norm_infer_f32(y, x, NBN_NCHW, 2, 3, 64, NULL, NULL, mean, var, 1e-5))
                    exit(2);
            double taken = (now() - start) / CALLS;
            if (taken < best[mode]) best[mode] = taken;
        }
    printf("(2,3,8,8): train %.0f ns, eval %.0f ns a call\n", best[TRAIN] * 1e9, best[EVAL] * 1e9);
}

int main(int count, char **arguments) {
    static const long shapes[][4] = {{32, 64, 112, 112}, {32, 256, 56, 56}, {32, 1024, 14, 14}, {32, 2048, 7, 7},
                                     {20, 100, 35, 45},  {8, 64, 56, 56},   {128, 256, 1, 1}};
    small_call();
    printf("threads %d, %s; oneDNN, numbanorm, ratio\n", (int)nbn_get_num_threads(), nbn_instruction_set());
    for (int layout = 0; layout < 2 && !(count > 1 && strcmp(arguments[1], "small") == 0); layout++) {
        double logs[MODES] = {0}, number = sizeof shapes / sizeof *shapes;
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const long *s = shapes[i];
            arrays a = {s[0], s[1], s[2] * s[3], layout, NULL, NULL, NULL, {NULL}};
            a.x = filled(s[0] * s[1] * a.s), a.y = filled(s[0] * s[1] * a.s), a.dy = filled(s[0] * s[1] * a.s);
            for (int k = 0; k < 8; k++) a.parameters[k] = filled(s[1]);
            void *theirs = bn_create(s[0], s[1], s[2], s[3], layout == NBN_NHWC);
            if (!theirs) return 1;
            for (int mode = 0; mode < MODES; mode++) logs[mode] += log(compare(&a, theirs, mode));
            bn_destroy(theirs);
            free(a.x), free(a.y), free(a.dy);
            for (int k = 0; k < 8; k++) free(a.parameters[k]);
        }
        for (int mode = 0; mode < MODES; mode++)
            printf("%s %-8s geometric mean %.2f\n", layout ? "NHWC" : "NCHW", modes[mode], exp(logs[mode] / number));
    }
    return 0;
}
