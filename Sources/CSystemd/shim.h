#ifndef PASARELA_CSYSTEMD_H
#define PASARELA_CSYSTEMD_H
#include <features.h>
#include <stdio.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION 1
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#endif
