// libfcgi (Debian's libfcgi-dev). All that is called of it is importable: nothing is added here.
#ifndef PASARELA_CFASTCGI_H
#define PASARELA_CFASTCGI_H

// First, as in each shim: without it the types of <sys/select.h> clash in debug builds.
#include <features.h>
#include <fcgiapp.h>

#endif
