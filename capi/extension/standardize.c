/*
 * A Python module in C that normalises images in place by numbanorm's kernels. It links with no
 * library: it finds the functions through the PyCapsule that `numbanorm.cabi.capsule()` gives.
 *
 * capi/README.md has the commands to build it. They write numbanorm.h, which is the text that
 * `numbanorm.cabi.header()` returns.
 *
 * The first import compiles numbanorm's functions, which takes a minute or two; later ones load
 * them from the cache.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000 /* 3.11: one file for it and all later versions */
#include <Python.h>

#include <stddef.h>
#include <string.h>

#include "numbanorm.h"

/* Whether a table reaches over a function, which that of an earlier version may not. */
#define HAS(api, field) ((size_t)(api)->size >= offsetof(nbn_api, field) + sizeof((api)->field))

typedef struct {
    const nbn_api *api; /* valid as long as the process lives */
} state;

/* Whether x is what the module takes; if not, an exception is set. */
static int check(const Py_buffer *x) {
    if (x->format == NULL || (strcmp(x->format, "f") != 0 && strcmp(x->format, "d") != 0)) {
        PyErr_Format(PyExc_TypeError, "x must be float32 or float64, got format '%s'",
                     x->format ? x->format : "B");
        return 0;
    }
    if (x->ndim != 4) {
        PyErr_Format(PyExc_ValueError, "x must have shape (n, h, w, c), got %d axes", x->ndim);
        return 0;
    }
    return 1;
}

static nbn_status normalize(const nbn_api *api, const Py_buffer *x, double eps) {
    int64_t n = x->shape[0], spatial = (int64_t)x->shape[1] * x->shape[2], c = x->shape[3];
    if (*x->format == 'f')
        return api->batch_norm_train_f32(x->buf, x->buf, NBN_NHWC, n, c, spatial, NULL, NULL, NULL,
                                         NULL, 0.1, eps, NULL, NULL);
    return api->batch_norm_train_f64(x->buf, x->buf, NBN_NHWC, n, c, spatial, NULL, NULL, NULL,
                                     NULL, 0.1, eps, NULL, NULL);
}

static PyObject *standardize(PyObject *module, PyObject *args) {
    const nbn_api *api = ((state *)PyModule_GetState(module))->api;
    PyObject *object;
    double eps = 1e-5;
    Py_buffer x;
    nbn_status status;
    if (!PyArg_ParseTuple(args, "O|d:standardize", &object, &eps)) return NULL;
    if (PyObject_GetBuffer(object, &x, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE | PyBUF_FORMAT) < 0)
        return NULL;
    if (!check(&x)) {
        PyBuffer_Release(&x);
        return NULL;
    }
    /* The buffer keeps the memory where it is, whatever other threads do to the object. */
    Py_BEGIN_ALLOW_THREADS
    status = normalize(api, &x, eps);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&x);
    if (status == NBN_OK) Py_RETURN_NONE;
    PyErr_SetString(status == NBN_ERROR_MEMORY ? PyExc_MemoryError : PyExc_ValueError,
                    api->strerror(status));
    return NULL;
}

/* Return numbanorm's table, or NULL with an exception set. */
static const nbn_api *find(void) {
    PyObject *package = PyImport_ImportModule("numbanorm.cabi"), *capsule = NULL;
    const nbn_api *api = NULL;
    if (package) capsule = PyObject_CallMethod(package, "capsule", NULL);
    if (capsule) api = PyCapsule_GetPointer(capsule, NBN_CAPSULE);
    Py_XDECREF(capsule);
    Py_XDECREF(package);
    if (api == NULL) return NULL;
    if (api->abi_version != NBN_ABI_VERSION) {
        PyErr_Format(PyExc_ImportError, "numbanorm's ABI must be %d, got %lld", NBN_ABI_VERSION,
                     (long long)api->abi_version);
        return NULL;
    }
    if (!HAS(api, batch_norm_train_f32) || !HAS(api, batch_norm_train_f64) || !HAS(api, strerror)) {
        PyErr_SetString(PyExc_ImportError, "numbanorm must have the functions used here");
        return NULL;
    }
    return api;
}

static int start(PyObject *module) {
    state *own = PyModule_GetState(module);
    own->api = find();
    return own->api ? 0 : -1;
}

PyDoc_STRVAR(standardize_doc,
             "standardize(x, eps=1e-05, /)\n--\n\n"
             "Give each channel of x mean 0 and variance 1, in place.\n\n"
             "x is a writable C-contiguous buffer of float32 or float64, of shape (n, h, w, c).");

static PyMethodDef functions[] = {
    {"standardize", standardize, METH_VARARGS, standardize_doc}, {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)start}, {0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "standardize",
    .m_doc = "Images normalised in place by numbanorm's kernels.",
    .m_size = sizeof(state),
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_standardize(void) { return PyModuleDef_Init(&definition); }
