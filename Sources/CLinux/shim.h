// Linux calls that Swift's Glibc module does not show: each line says why it is here.
#ifndef PASARELA_CLINUX_H
#define PASARELA_CLINUX_H

#include <features.h>
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

// syscall(2) is variadic. glibc 2.36 has no openat2.
static inline int clinux_openat2(int folder, const char *path, uint64_t flags, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = 0, .resolve = resolve};
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

// glibc has getdents64 only under _GNU_SOURCE, which Swift's importer does not set.
static inline long clinux_getdents64(int folder, void *buffer, unsigned long size) {
    return syscall(SYS_getdents64, folder, buffer, size);
}

// As above; and glibc's struct statx clashes with the kernel's.
static inline int clinux_statx(int folder, const char *path, int flags, unsigned int mask,
                               struct statx *result) {
    return (int)syscall(SYS_statx, folder, path, flags, mask, result);
}

// As above: _GNU_SOURCE only.
static inline int clinux_accept4(int listener, int flags) {
    return (int)syscall(SYS_accept4, listener, NULL, NULL, flags);
}

// prctl(2) is variadic, pthread_setname_np _GNU_SOURCE only. The calling thread; 15 bytes are kept.
static inline void clinux_name_thread(const char *name) {
    prctl(PR_SET_NAME, name, 0UL, 0UL, 0UL);
}

// _GNU_SOURCE only, as accept4.
static inline int clinux_pipe2(int ends[2], int flags) {
    return (int)syscall(SYS_pipe2, ends, flags);
}

// sockaddr_un in Swift takes three closures. A name is a path of 1 to 107 bytes, or '@' and an abstract name (unix(7)).
// The size of its address; 0 with errno where it is none.
static inline socklen_t clinux_unix_address(struct sockaddr_un *address, const char *name) {
    size_t length = strlen(name);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length == 0 || length >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return 0;
    }
    memcpy(address->sun_path, name, length);
    if (name[0] != '@') return sizeof *address;
    // An abstract name has no NUL at its end: its length counts.
    address->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

// bind(2) and connect(2) to such a name: 0, or -1 with errno.
static inline int clinux_bind_unix(int socket, const char *name) {
    struct sockaddr_un address;
    socklen_t size = clinux_unix_address(&address, name);
    return size == 0 ? -1 : bind(socket, (struct sockaddr *)&address, size);
}

static inline int clinux_connect_unix(int socket, const char *name) {
    struct sockaddr_un address;
    socklen_t size = clinux_unix_address(&address, name);
    return size == 0 ? -1 : connect(socket, (struct sockaddr *)&address, size);
}

// Where a Unix socket is bound, with a NUL at its end, into 109 bytes; 0, or -1 where it has no path.
static inline int clinux_unix_path(int socket, char *path) {
    struct sockaddr_un address = {0};
    socklen_t size = sizeof address;
    if (getsockname(socket, (struct sockaddr *)&address, &size) != 0) return -1;
    if (address.sun_family != AF_UNIX || address.sun_path[0] != '/') return -1;
    memcpy(path, address.sun_path, sizeof address.sun_path);
    path[sizeof address.sun_path] = 0;
    return 0;
}

// struct ucred is _GNU_SOURCE only, as accept4: here its like (unix(7)). The user at the other end of a Unix
// connection, as it was when it connected. 0, or -1 with errno.
static inline int clinux_peer_user(int socket, uint32_t *user) {
    struct {
        pid_t pid;
        uid_t uid;
        gid_t gid;
    } peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
    *user = peer.uid;
    return 0;
}

// Macros that Swift does not import, or that need _GNU_SOURCE.
static const uint64_t clinux_resolve_beneath = RESOLVE_BENEATH;
static const uint64_t clinux_resolve_no_magiclinks = RESOLVE_NO_MAGICLINKS;
static const uint64_t clinux_resolve_no_symlinks = RESOLVE_NO_SYMLINKS;
static const int clinux_o_path = 010000000;  // O_PATH
static const int clinux_at_empty_path = 0x1000;  // AT_EMPTY_PATH
// AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT
static const int clinux_at_nofollow = 0x100 | 0x800;
static const unsigned int clinux_epollexclusive = 1u << 28;
static const unsigned int clinux_epolloneshot = 1u << 30;
static const unsigned int clinux_epollet = 1u << 31;

#endif
