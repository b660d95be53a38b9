/* Has a signal come at one step of the interpreter: before it executes that bytecode.

Python lets a handler run only where it looks for one: when a function begins, when a loop begins
anew, and when a call has ended. So this does what a signal from outside does, by chance, at every
such place. It declares what it needs of Python itself: the headers need not be there. */
#include <stddef.h>

typedef struct object object;
typedef int (*tracer)(object *, object *, int, object *);
extern void PyEval_SetTrace(tracer, object *);
extern int PyErr_SetInterruptEx(int);
extern int PyObject_SetAttrString(object *, const char *, object *);
extern void PyErr_Clear(void);
extern char _Py_TrueStruct[];

enum { CALL = 0, OPCODE = 7 };
static long passed, at;
static int number;

static int step(object *self, object *frame, int what, object *argument) {
    if (what == CALL) {
        if (PyObject_SetAttrString(frame, "f_trace_opcodes", (object *)_Py_TrueStruct))
            PyErr_Clear();
    } else if (what == OPCODE && ++passed == at) {
        PyErr_SetInterruptEx(number);
    }
    return 0;
}

/* From now on; at which step, from 1, that signal comes. */
void torture_begin(long when, int signal) {
    passed = 0, at = when, number = signal;
    PyEval_SetTrace(step, NULL);
}

/* How many steps there have been so far. */
long torture_passed(void) { return passed; }

void torture_end(void) { PyEval_SetTrace(NULL, NULL); }
