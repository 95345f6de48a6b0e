// responder SOCKET FILE THREADS: answers every FastCGI request with FILE's bytes as JSON. What libfcgi alone costs.
#include <fcgiapp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int listener;
static char body[1 << 20];
static size_t size;

static void *answer(void *unused) {
    (void)unused;
    FCGX_Request request;
    if (FCGX_InitRequest(&request, listener, 0) != 0) return NULL;
    while (FCGX_Accept_r(&request) == 0) {
        FCGX_FPrintF(request.out, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", (int)size);
        FCGX_PutStr(body, (int)size, request.out);
        FCGX_Finish_r(&request);
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fputs("usage: responder SOCKET FILE THREADS\n", stderr);
        return 64;
    }
    FILE *file = fopen(arguments[2], "rb");
    if (!file) {
        perror(arguments[2]);
        return 66;
    }
    size = fread(body, 1, sizeof body, file);
    fclose(file);
    umask(0);  // nginx's workers are another user.
    if (FCGX_Init() != 0 || (listener = FCGX_OpenSocket(arguments[1], 511)) < 0) {
        perror(arguments[1]);
        return 1;
    }
    // A kept connection occupies its thread between requests: as many threads as connections.
    for (int rest = atoi(arguments[3]) - 1; rest > 0; rest--) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, answer, NULL) != 0) return 1;
    }
    answer(NULL);
    return 0;
}
