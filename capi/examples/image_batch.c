/*
 * Batch norm of a batch of images, channels last: a training step, inference and the gradients.
 *
 *     image_batch [N H W C]        if not given, 32 images of 112 x 112 pixels with 64 channels
 *
 * Checks the results against plain loops in double, and prints what each call took and how much of
 * the batch went through memory in that time. Returns 1 where a call fails or a result is wrong.
 */
#define _POSIX_C_SOURCE 199309L

#include <numbanorm.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EPS 1e-5
#define MOMENTUM 0.1
#define REPEATS 7
#define MOST 1000000

/* Arrays of one value per channel. */
enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, DWEIGHT, DBIAS, PARAMETERS };

typedef struct {
    int64_t n, h, w, c;
    int64_t pixels;         /* n * h * w */
    float *x, *y, *dy;      /* pixels * c values each; dx is written to y too */
    float *p[PARAMETERS];   /* c values each, one after the other */
    double *mean, *rstd;    /* c values each, the batch's statistics, and then ... */
    double *first, *second; /* ... c values each for the plain loops */
} batch;

static nbn_status train(const batch *b) {
    return nbn_batch_norm_train_f32(
        b->y, b->x, NBN_NHWC, b->n, b->c, b->h * b->w, b->p[WEIGHT], b->p[BIAS],
        b->p[RUNNING_MEAN], b->p[RUNNING_VAR], MOMENTUM, EPS, b->mean, b->rstd);
}

static nbn_status infer(const batch *b) {
    return nbn_batch_norm_infer_f32(
        b->y, b->x, NBN_NHWC, b->n, b->c, b->h * b->w, b->p[WEIGHT], b->p[BIAS],
        b->p[RUNNING_MEAN], b->p[RUNNING_VAR], EPS);
}

static nbn_status backward(const batch *b) {
    return nbn_batch_norm_backward_f32(
        b->y, b->p[DWEIGHT], b->p[DBIAS], b->dy, b->x, NBN_NHWC, b->n, b->c, b->h * b->w,
        b->p[WEIGHT], b->mean, b->rstd, 1);
}

static int near(const char *what, int64_t channel, double got, double right, double tolerance) {
    if (fabs(got - right) <= tolerance) return 1;
    fprintf(stderr, "channel %" PRId64 ": %s must be near %g, got %g\n", channel, what, right, got);
    return 0;
}

/* The mean and the biased variance of each channel, the obvious way. */
static void plain_mean_var(const batch *b, const float *x, double *mean, double *var) {
    double count = (double)b->pixels;
    for (int64_t c = 0; c < b->c; c++) mean[c] = var[c] = 0;
    for (int64_t i = 0; i < b->pixels; i++)
        for (int64_t c = 0; c < b->c; c++) mean[c] += x[i * b->c + c] / count;
    for (int64_t i = 0; i < b->pixels; i++)
        for (int64_t c = 0; c < b->c; c++) {
            double deviation = x[i * b->c + c] - mean[c];
            var[c] += deviation * deviation / count;
        }
}

/* What the first step wrote, with running statistics that were 0 and 1. */
static int check_train(const batch *b) {
    int good = 1;
    double *mean = b->first, *var = b->second, count = (double)b->pixels;
    plain_mean_var(b, b->x, mean, var);
    for (int64_t c = 0; c < b->c; c++) {
        double near_mean = 1e-5 * (1 + fabs(mean[c]));
        double running_var = 1 - MOMENTUM + MOMENTUM * var[c] * count / (count - 1);
        good &= near("mean", c, b->mean[c], mean[c], near_mean);
        good &= near("rstd * std", c, b->rstd[c] * sqrt(var[c] + EPS), 1, 1e-5);
        good &= near("running mean", c, b->p[RUNNING_MEAN][c], MOMENTUM * mean[c], near_mean);
        good &= near("running variance", c, b->p[RUNNING_VAR][c] / running_var, 1, 1e-5);
    }
    plain_mean_var(b, b->y, mean, var);
    for (int64_t c = 0; c < b->c; c++) {
        double rstd = b->rstd[c];
        good &= near("mean of y", c, mean[c], 0, 1e-4);
        good &= near("variance of y", c, var[c], 1 - EPS * rstd * rstd, 1e-4);
    }
    return good;
}

static int check_infer(const batch *b) {
    int good = 1;
    for (int64_t c = 0; c < b->c; c++) {
        double mean = b->p[RUNNING_MEAN][c], std = sqrt(b->p[RUNNING_VAR][c] + EPS);
        for (int64_t i = 0; i < b->pixels && good; i++) {
            double right = (b->x[i * b->c + c] - mean) / std;
            good = near("y", c, b->y[i * b->c + c], right, 1e-5 * (1 + fabs(right)));
        }
    }
    return good;
}

/* No shift of x changes y, so that dx sums to 0. */
static int check_backward(const batch *b) {
    int good = 1;
    for (int64_t c = 0; c < b->c; c++) {
        double sum_dx = 0, sum_dy = 0, sum_dy_x_hat = 0, mean = b->mean[c], rstd = b->rstd[c];
        for (int64_t i = c; i < b->pixels * b->c; i += b->c) {
            sum_dx += b->y[i];
            sum_dy += b->dy[i];
            sum_dy_x_hat += b->dy[i] * (b->x[i] - mean) * rstd;
        }
        double tolerance = 1e-5 * (double)b->pixels;
        good &= near("sum of dx", c, sum_dx / rstd, 0, tolerance);
        good &= near("dbias", c, b->p[DBIAS][c], sum_dy, tolerance);
        good &= near("dweight", c, b->p[DWEIGHT][c], sum_dy_x_hat, tolerance);
    }
    return good;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Call once and check, then several times and print the best. `moved` counts arrays of x's size. */
static int measure(const char *name, nbn_status (*pass)(const batch *),
                   int (*check)(const batch *), const batch *b, int moved) {
    double best = INFINITY, bytes = (double)sizeof *b->x * (double)(b->pixels * b->c);
    for (int i = 0; i <= REPEATS; i++) {
        double start = seconds();
        nbn_status status = pass(b);
        double taken = seconds() - start;
        if (status != NBN_OK) {
            fprintf(stderr, "%s: %s\n", name, nbn_strerror(status));
            return 0;
        }
        if (i == 0 && !check(b)) return 0;
        if (i > 0 && taken < best) best = taken;
    }
    printf("%-10s %9.3f ms %8.2f GB/s\n", name, 1e3 * best, 1e-9 * bytes * moved / best);
    return 1;
}

/* Uniform numbers in [-1, 1), the same in every run. */
static float drawn(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)(int32_t)(*state >> 32) / 2147483648.0f;
}

/* x differs in mean and width from channel to channel; the layer is fresh. */
static void fill(const batch *b) {
    uint64_t state = 1;
    for (int64_t i = 0; i < b->pixels; i++)
        for (int64_t c = 0; c < b->c; c++) {
            b->x[i * b->c + c] = (float)(c % 7 - 3) + (float)(c % 3 + 1) * drawn(&state);
            b->dy[i * b->c + c] = drawn(&state);
        }
    for (int64_t c = 0; c < b->c; c++) {
        b->p[WEIGHT][c] = b->p[RUNNING_VAR][c] = 1;
        b->p[BIAS][c] = b->p[RUNNING_MEAN][c] = 0;
    }
}

static int allocate(batch *b) {
    size_t channels = (size_t)b->c, values = (size_t)(b->pixels * b->c);
    b->x = malloc(values * sizeof *b->x);
    b->y = malloc(values * sizeof *b->y);
    b->dy = malloc(values * sizeof *b->dy);
    b->p[0] = malloc(channels * PARAMETERS * sizeof *b->p[0]);
    b->mean = malloc(channels * 4 * sizeof *b->mean);
    if (!b->x || !b->y || !b->dy || !b->p[0] || !b->mean) return 0;
    b->rstd = b->mean + channels;
    b->first = b->rstd + channels;
    b->second = b->first + channels;
    for (int i = 1; i < PARAMETERS; i++) b->p[i] = b->p[i - 1] + channels;
    return 1;
}

static void release(batch *b) {
    free(b->x);
    free(b->y);
    free(b->dy);
    free(b->p[0]);
    free(b->mean);
}

/* The sizes of the command line, each from 1 to MOST, and together no more than memory can hold. */
static int parse(int count, char **words, batch *b) {
    int64_t *sizes[] = {&b->n, &b->h, &b->w, &b->c}, values = 1;
    if (count != 1 && count != 5) return 0;
    for (int i = 0; i < 4; i++) {
        char *end = NULL;
        if (count == 5) *sizes[i] = strtoll(words[i + 1], &end, 10);
        if ((end && *end) || *sizes[i] < 1 || *sizes[i] > MOST) return 0;
        if (values > PTRDIFF_MAX / (int64_t)sizeof(float) / *sizes[i]) return 0;
        values *= *sizes[i];
    }
    b->pixels = b->n * b->h * b->w;
    return 1;
}

int main(int count, char **words) {
    batch b = {.n = 32, .h = 112, .w = 112, .c = 64};
    if (!parse(count, words, &b)) {
        fprintf(stderr, "usage: image_batch [N H W C], each from 1 to %d\n", MOST);
        return 1;
    }
    int good = allocate(&b);
    if (good) {
        fill(&b);
        printf("%" PRId64 " images of %" PRId64 " x %" PRId64 " pixels with %" PRId64 " channels: "
               "numbanorm %s, %" PRId32 " threads, %s\n",
               b.n, b.h, b.w, b.c, nbn_version(), nbn_get_num_threads(), nbn_instruction_set());
        good = measure("training", train, check_train, &b, 2) &&
               measure("inference", infer, check_infer, &b, 2) &&
               measure("backward", backward, check_backward, &b, 3);
    } else {
        fprintf(stderr, "no memory for the images\n");
    }
    release(&b);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
