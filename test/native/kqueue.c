// kqueue(2) on Linux, over epoll and eventfd: for tests, so that the transport's KqueuePoller runs for real here.
//
// Semantics are those of FreeBSD's manual page kqueue(2). Filters: EVFILT_READ and EVFILT_WRITE for sockets, EVFILT_USER.
// The struct kevent and the number of EVFILT_USER are those of 64-bit macOS (apple-oss-distributions/xnu,
// bsd/sys/event.h) or, with FREEBSD defined, those of FreeBSD 12 and later (sys/sys/event.h).
//
//   A filter is run at registration, whenever something happens, and again when the event is retrieved. That is what
//   epoll does with EPOLLET for EV_CLEAR, and without it for level-triggered events.
//   Reading and writing are events of their own: an edge of one does not report the other. Hence two epolls, inside
//   an outer one that waits; the outer one's descriptor is the kqueue's.
//   All changes are applied before events are read. One that fails becomes an EV_ERROR event if there is room, and
//   the changes after it are applied all the same; without room it is the call's error, and ends the call.
//   close(2) removes the events of a descriptor, so this library has a close of its own.
//
// What Linux cannot tell: the value of a socket's error without taking it away. fflags has ECONNRESET for any.

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#ifdef FREEBSD
#define EVFILT_USER (-11)
#else
#define EVFILT_USER (-10)
#endif

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_DISPATCH 0x0080
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

#define NOTE_FFNOP 0x00000000u
#define NOTE_FFAND 0x40000000u
#define NOTE_FFOR 0x80000000u
#define NOTE_FFCOPY 0xc0000000u
#define NOTE_FFCTRLMASK 0xc0000000u
#define NOTE_FFLAGSMASK 0x00ffffffu
#define NOTE_TRIGGER 0x01000000u

#define KEPT_FLAGS (EV_CLEAR | EV_ONESHOT | EV_DISPATCH)
#define MAX_USER_EVENTS 16
#define BATCH 256

struct kevent {
  uintptr_t ident;
  int16_t filter;
  uint16_t flags;
  uint32_t fflags;
  int64_t data;
  void *udata;
#ifdef FREEBSD
  uint64_t ext[4];
#endif
};

#ifdef FREEBSD
_Static_assert(sizeof(struct kevent) == 64, "the layout of FreeBSD");
#else
_Static_assert(sizeof(struct kevent) == 32, "the layout of 64-bit macOS");
#endif

struct knote {
  bool exists, disabled;
  bool active;  // EVFILT_USER: triggered
  uint16_t flags;
  uint32_t fflags;
  uintptr_t ident;
  void *udata;
};

// Lock order: queues_lock, then a queue's lock.
struct queue {
  pthread_mutex_t lock;
  int outer, readers, writers;
  int user;             // an eventfd, readable while a user event is active
  struct knote *notes;  // by descriptor: for reading, for writing
  size_t descriptors;
  struct knote users[MAX_USER_EVENTS];
  bool writers_first;
};

static pthread_mutex_t queues_lock = PTHREAD_MUTEX_INITIALIZER;
static struct queue **queues;  // by descriptor
static size_t queues_length;

// The library's own calls must not end in the close below.
static void close_real(int fd) {
  int error = errno;
  syscall(SYS_close, fd);
  errno = error;
}

static struct queue *find(int kq) {
  pthread_mutex_lock(&queues_lock);
  struct queue *q = kq >= 0 && (size_t)kq < queues_length ? queues[kq] : NULL;
  pthread_mutex_unlock(&queues_lock);
  return q;
}

static bool publish(struct queue *q) {
  pthread_mutex_lock(&queues_lock);
  if ((size_t)q->outer >= queues_length) {
    size_t length = (size_t)q->outer + 64;
    struct queue **larger = realloc(queues, length * sizeof *larger);
    if (larger == NULL) {
      pthread_mutex_unlock(&queues_lock);
      return false;
    }
    memset(larger + queues_length, 0, (length - queues_length) * sizeof *larger);
    queues = larger;
    queues_length = length;
  }
  queues[q->outer] = q;
  pthread_mutex_unlock(&queues_lock);
  return true;
}

static bool nest(int outer, int inner) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = inner};
  return epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event) == 0;
}

static void free_queue(struct queue *q) {
  int descriptors[] = {q->outer, q->readers, q->writers, q->user};
  for (int i = 0; i < 4; i++) {
    if (descriptors[i] >= 0) {
      close_real(descriptors[i]);
    }
  }
  free(q->notes);
  free(q);
}

int kqueue(void) {
  struct queue *q = calloc(1, sizeof *q);
  if (q == NULL) {
    errno = ENOMEM;
    return -1;
  }
  pthread_mutex_init(&q->lock, NULL);
  q->outer = epoll_create1(0);
  q->readers = epoll_create1(EPOLL_CLOEXEC);
  q->writers = epoll_create1(EPOLL_CLOEXEC);
  q->user = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (q->outer < 0 || q->readers < 0 || q->writers < 0 || q->user < 0 || !nest(q->outer, q->readers) ||
      !nest(q->outer, q->writers) || !nest(q->outer, q->user) || !publish(q)) {
    free_queue(q);
    return -1;
  }
  return q->outer;
}

// Registration with the kernel: nothing for a disabled event. Level or edge as the flags say.
static int arm(struct queue *q, const struct knote *note, int16_t filter) {
  int epoll = filter == EVFILT_READ ? q->readers : q->writers;
  struct epoll_event event = {
      .events = (filter == EVFILT_READ ? EPOLLIN | EPOLLRDHUP : EPOLLOUT) | (note->flags & EV_CLEAR ? EPOLLET : 0),
      .data.fd = (int)note->ident,
  };
  if (note->disabled) {
    epoll_ctl(epoll, EPOLL_CTL_DEL, (int)note->ident, &event);
    return 0;
  }
  // MOD runs the filter again, as EV_ADD of an event that exists does.
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, (int)note->ident, &event) == 0) {
    return 0;
  }
  return errno == ENOENT && epoll_ctl(epoll, EPOLL_CTL_ADD, (int)note->ident, &event) == 0 ? 0 : errno;
}

static struct knote *note_of(struct queue *q, uintptr_t fd, int16_t filter, bool grow) {
  if (fd >= q->descriptors) {
    if (!grow) {
      return NULL;
    }
    size_t descriptors = fd + 256;
    struct knote *larger = realloc(q->notes, descriptors * 2 * sizeof *larger);
    if (larger == NULL) {
      return NULL;
    }
    memset(larger + q->descriptors * 2, 0, (descriptors - q->descriptors) * 2 * sizeof *larger);
    q->notes = larger;
    q->descriptors = descriptors;
  }
  return &q->notes[fd * 2 + (filter == EVFILT_WRITE)];
}

static void remove_note(struct queue *q, struct knote *note, int16_t filter) {
  struct epoll_event unused = {0};
  epoll_ctl(filter == EVFILT_READ ? q->readers : q->writers, EPOLL_CTL_DEL, (int)note->ident, &unused);
  memset(note, 0, sizeof *note);
}

// For tests: so many additions of events of a descriptor find no memory (kqueue(2), ERRORS).
static int refused = -1, refusals;

void kqueue_refuse(int fd, int count) {
  refusals = count;
  __atomic_store_n(&refused, fd, __ATOMIC_RELEASE);
}

static int change_socket(struct queue *q, const struct kevent *change) {
  int type;
  socklen_t length = sizeof type;
  if (change->ident > INT32_MAX) {
    return EBADF;
  }
  if (getsockopt((int)change->ident, SOL_SOCKET, SO_TYPE, &type, &length) < 0) {
    return errno == ENOTSOCK ? EINVAL : errno;
  }
  if ((change->flags & EV_ADD) && (int)change->ident == __atomic_load_n(&refused, __ATOMIC_ACQUIRE) &&
      __atomic_fetch_sub(&refusals, 1, __ATOMIC_RELAXED) > 0) {
    return ENOMEM;
  }
  struct knote *note = note_of(q, change->ident, change->filter, change->flags & EV_ADD);
  if (note == NULL) {
    return change->flags & EV_ADD ? ENOMEM : ENOENT;
  }
  if (!note->exists && !(change->flags & EV_ADD)) {
    return ENOENT;
  }
  if (change->flags & EV_DELETE) {
    remove_note(q, note, change->filter);
    return 0;
  }
  struct knote before = *note;
  if (change->flags & EV_ADD) {
    *note = (struct knote){
        .exists = true, .flags = change->flags & KEPT_FLAGS, .ident = change->ident};
  }
  note->udata = change->udata;
  note->disabled = (note->disabled && !(change->flags & EV_ENABLE)) || (change->flags & EV_DISABLE);
  int error = arm(q, note, change->filter);
  if (error != 0) {
    *note = before;
  }
  return error;
}

static void touch_user(struct knote *note, uint32_t fflags) {
  uint32_t mask = fflags & NOTE_FFLAGSMASK;
  switch (fflags & NOTE_FFCTRLMASK) {
    case NOTE_FFAND:
      note->fflags &= mask;
      break;
    case NOTE_FFOR:
      note->fflags |= mask;
      break;
    case NOTE_FFCOPY:
      note->fflags = mask;
      break;
    default:
      break;
  }
  note->active |= (fflags & NOTE_TRIGGER) != 0;
}

static int change_user(struct queue *q, const struct kevent *change) {
  struct knote *note = NULL, *unused = NULL;
  for (int i = 0; i < MAX_USER_EVENTS && note == NULL; i++) {
    if (!q->users[i].exists) {
      unused = unused == NULL ? &q->users[i] : unused;
    } else if (q->users[i].ident == change->ident) {
      note = &q->users[i];
    }
  }
  if (note == NULL) {
    if (!(change->flags & EV_ADD)) {
      return ENOENT;
    }
    if (unused == NULL) {
      return ENOMEM;
    }
    note = unused;
    *note = (struct knote){.exists = true, .ident = change->ident};
  }
  if (change->flags & EV_DELETE) {
    memset(note, 0, sizeof *note);
    return 0;
  }
  if (change->flags & EV_ADD) {
    note->flags = change->flags & KEPT_FLAGS;
    note->disabled = false;
  }
  note->udata = change->udata;
  note->disabled = (note->disabled && !(change->flags & EV_ENABLE)) || (change->flags & EV_DISABLE);
  touch_user(note, change->fflags);
  if (note->active && !note->disabled) {
    uint64_t one = 1;
    (void)!write(q->user, &one, sizeof one);
  }
  return 0;
}

static int change_one(struct queue *q, const struct kevent *change) {
#ifdef FREEBSD
  // The kernel would take it as the filter's own, or hand it back: nobody here means to.
  for (int i = 0; i < 4; i++) {
    if (change->ext[i] != 0) {
      return EINVAL;
    }
  }
#endif
  switch (change->filter) {
    case EVFILT_READ:
    case EVFILT_WRITE:
      return change_socket(q, change);
    case EVFILT_USER:
      return change_user(q, change);
    default:
      return EINVAL;
  }
}

// After an event is told: EV_ONESHOT ends it, EV_DISPATCH disables it.
static void told(struct queue *q, struct knote *note, int16_t filter) {
  if (note->flags & EV_ONESHOT) {
    remove_note(q, note, filter);
  } else if (note->flags & EV_DISPATCH) {
    note->disabled = true;
    arm(q, note, filter);
  }
}

static void fill_socket(struct kevent *event, const struct knote *note, int16_t filter, uint32_t bits) {
  int data = 0, size = 0;
  socklen_t length = sizeof size;
  uint32_t ends = filter == EVFILT_READ ? EPOLLRDHUP | EPOLLHUP : EPOLLHUP;
  *event = (struct kevent){
      .ident = note->ident, .filter = filter, .flags = note->flags | EV_ADD, .udata = note->udata};
  if (bits & ends) {
    event->flags |= EV_EOF;
    event->fflags = bits & EPOLLERR ? ECONNRESET : 0;
  }
  if (filter == EVFILT_READ) {
    // Fails for a listening socket; its queue is at least one long.
    event->data = ioctl((int)note->ident, FIONREAD, &data) == 0 ? data : 1;
  } else if (ioctl((int)note->ident, TIOCOUTQ, &data) == 0 &&
             getsockopt((int)note->ident, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0) {
    event->data = size > data ? size - data : 0;
  }
}

static int collect_sockets(struct queue *q, int16_t filter, struct kevent *events, int capacity) {
  struct epoll_event ready[BATCH];
  int most = capacity < BATCH ? capacity : BATCH;
  int found = most == 0 ? 0 : epoll_wait(filter == EVFILT_READ ? q->readers : q->writers, ready, most, 0);
  int count = 0;
  for (int i = 0; i < found; i++) {
    struct knote *note = note_of(q, (uintptr_t)ready[i].data.fd, filter, false);
    if (note != NULL && note->exists && !note->disabled) {
      fill_socket(&events[count++], note, filter, ready[i].events);
      told(q, note, filter);
    }
  }
  return count;
}

static int collect_users(struct queue *q, struct kevent *events, int capacity) {
  int count = 0;
  bool more = false;
  uint64_t counter;
  (void)!read(q->user, &counter, sizeof counter);
  for (int i = 0; i < MAX_USER_EVENTS; i++) {
    struct knote *note = &q->users[i];
    if (!note->exists || !note->active || note->disabled) {
      continue;
    }
    if (count == capacity) {
      more = true;
      break;
    }
    events[count++] = (struct kevent){.ident = note->ident, .filter = EVFILT_USER, .flags = note->flags | EV_ADD,
                                      .fflags = note->fflags, .udata = note->udata};
    if (note->flags & EV_ONESHOT) {
      memset(note, 0, sizeof *note);
    } else if (note->flags & EV_DISPATCH) {
      note->disabled = true;
    } else if (note->flags & EV_CLEAR) {
      note->active = false;
      note->fflags = 0;
    } else {
      more = true;
    }
  }
  if (more) {
    counter = 1;
    (void)!write(q->user, &counter, sizeof counter);
  }
  return count;
}

static int collect(struct queue *q, struct kevent *events, int capacity) {
  pthread_mutex_lock(&q->lock);
  int count = collect_users(q, events, capacity);
  // Neither direction may starve the other when events are more than there is room.
  int16_t first = q->writers_first ? EVFILT_WRITE : EVFILT_READ;
  int16_t second = q->writers_first ? EVFILT_READ : EVFILT_WRITE;
  q->writers_first = !q->writers_first;
  count += collect_sockets(q, first, events + count, capacity - count);
  count += collect_sockets(q, second, events + count, capacity - count);
  pthread_mutex_unlock(&q->lock);
  return count;
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

// Returns what is left until the deadline, in milliseconds rounded up: epoll's unit. -1 without one.
static int left(int64_t deadline) {
  if (deadline < 0) {
    return -1;
  }
  int64_t milliseconds = (deadline - now() + 999999) / 1000000;
  return milliseconds <= 0 ? 0 : milliseconds > INT32_MAX ? INT32_MAX : (int)milliseconds;
}

static int wait_for_events(struct queue *q, struct kevent *events, int capacity, int64_t deadline) {
  while (true) {
    int count = collect(q, events, capacity);
    if (count > 0) {
      return count;
    }
    struct epoll_event any;
    int ready = epoll_wait(q->outer, &any, 1, left(deadline));
    if (ready <= 0) {
      return ready;
    }
  }
}

// Returns the number of events that changes made: errors and receipts. -1 for an error without room.
static int apply(struct queue *q, const struct kevent *changes, int changes_count, struct kevent *events, int capacity) {
  int count = 0, failed = 0;
  pthread_mutex_lock(&q->lock);
  for (int i = 0; i < changes_count; i++) {
    int error = change_one(q, &changes[i]);
    if (error == 0 && !(changes[i].flags & EV_RECEIPT)) {
      continue;
    }
    if (count == capacity) {
      failed = error;
      break;
    }
    events[count] = changes[i];
    events[count].flags = EV_ERROR;
    events[count].data = error;
    count++;
  }
  pthread_mutex_unlock(&q->lock);
  if (failed != 0) {
    errno = failed;
    return -1;
  }
  return count;
}

int kevent(int kq, const struct kevent *changes, int changes_count, struct kevent *events, int capacity,
           const struct timespec *timeout) {
  struct queue *q = find(kq);
  if (q == NULL) {
    errno = EBADF;
    return -1;
  }
  if (changes_count < 0 || capacity < 0 ||
      (timeout != NULL && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000))) {
    errno = EINVAL;
    return -1;
  }
  int64_t deadline = timeout == NULL ? -1 : now() + timeout->tv_sec * 1000000000LL + timeout->tv_nsec;
  int count = apply(q, changes, changes_count, events, capacity);
  if (count != 0 || capacity == 0) {
    return count;
  }
  return wait_for_events(q, events, capacity, deadline);
}

static void forget(struct queue *q, int fd) {
  pthread_mutex_lock(&q->lock);
  for (int16_t filter = EVFILT_READ; filter >= EVFILT_WRITE; filter--) {
    struct knote *note = note_of(q, (uintptr_t)fd, filter, false);
    if (note != NULL && note->exists) {
      remove_note(q, note, filter);
    }
  }
  pthread_mutex_unlock(&q->lock);
}

int close(int fd) {
  struct queue *closed = NULL;
  pthread_mutex_lock(&queues_lock);
  if (fd >= 0 && (size_t)fd < queues_length) {
    closed = queues[fd];
    queues[fd] = NULL;
  }
  for (size_t i = 0; i < queues_length && closed == NULL; i++) {
    if (queues[i] != NULL && fd >= 0) {
      forget(queues[i], fd);
    }
  }
  pthread_mutex_unlock(&queues_lock);
  if (closed != NULL) {
    free_queue(closed);
    return 0;
  }
  return (int)syscall(SYS_close, fd);
}
