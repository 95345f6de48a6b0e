#include <features.h>
#include <utf8proc.h>
