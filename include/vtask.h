/* vtask.h: tasks and value-tasks for C. This header includes all of the library's. */
#ifndef VTASK_H
#define VTASK_H

#include <vtask/child.h>
#include <vtask/config.h>
#include <vtask/error.h>
#include <vtask/pool.h>
#include <vtask/task.h>
#include <vtask/typed.h>
#include <vtask/value.h>
#include <vtask/vt.h>
#include <vtask/when.h>

#endif
