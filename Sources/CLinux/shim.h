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
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
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

#endif
