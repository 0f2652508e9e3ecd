// The kqueue of kqueue.c with the struct kevent of FreeBSD.

#define FREEBSD
#include "kqueue.c"
