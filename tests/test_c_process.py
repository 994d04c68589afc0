"""What a C program may do to the library: fork after any OpenMP, and unload it."""

import subprocess

import pytest

from numbanorm.cabi import building

FORK = r"""
#include <numbanorm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 2000, SIZE = 1000 };

static int norm(float *y, const float *x) {
    return nbn_layer_norm_f32(y, x, ROWS, SIZE, NULL, NULL, 1e-5, NULL, NULL);
}

/* In the parent before the fork: nothing, OpenMP of the program's own, or the library's. */
int main(int count, char **arguments) {
    size_t bytes = sizeof(float) * ROWS * SIZE;
    float *x = malloc(bytes), *y = malloc(bytes), *z = malloc(bytes);
    int sum = 0, status = count, before = atoi(arguments[1]);
    for (int i = 0; i < ROWS * SIZE; i++) x[i] = (float)(i % 97);
    if (before == 1) {
#pragma omp parallel reduction(+ : sum)
        sum += 1;
    }
    if (before == 2 && norm(z, x)) return 10;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(norm(y, x) != NBN_OK);
    }
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) return 11;
    return norm(y, x) || norm(z, x) || memcmp(y, z, bytes);
}
"""

UNLOAD = r"""
#include <dlfcn.h>
#include <numbanorm.h>
#include <stdlib.h>
#include <unistd.h>

typedef nbn_status (*layer_norm)(
    float *, const float *, int64_t, int64_t, const float *, const float *, double, float *,
    float *);

int main(int count, char **arguments) {
    float *x = calloc(4000000, 4);
    for (int i = 0; i < 5; i++) {
        void *library = dlopen(arguments[count - 1], RTLD_NOW | RTLD_LOCAL);
        layer_norm norm = NULL;
        if (!library) return 10;
        *(void **)&norm = dlsym(library, "nbn_layer_norm_f32");
        if (!norm || norm(x, x, 4000, 1000, NULL, NULL, 1e-5, NULL, NULL)) return 11;
        if (dlclose(library)) return 12;
        usleep(20000);
    }
    free(x);
    return 0;
}
"""


def program(prefix, folder, source, *options):
    (folder / "program.c").write_text(source)
    lib = prefix / "lib"
    command = [*building.compiler(), "-D_DEFAULT_SOURCE", f"-I{prefix}/include", "program.c"]
    command += [*options, f"-L{lib}", f"-Wl,-rpath,{lib}", "-o", "program"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(folder / "program")


@pytest.mark.parametrize("before", ["0", "1", "2"])
def test_fork(prefix, tmp_path, before):
    command = [program(prefix, tmp_path, FORK, "-fopenmp", "-lnumbanorm"), before]
    assert subprocess.run(command, timeout=120, check=False).returncode == 0


def test_unload(prefix, tmp_path):
    command = [program(prefix, tmp_path, UNLOAD, "-ldl"), str(prefix / "lib" / building.SONAME)]
    assert subprocess.run(command, timeout=120, check=False).returncode == 0
