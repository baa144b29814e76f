#include "core/error.h"

GQuark velm_error_quark(void) { return g_quark_from_static_string("velm-error-quark"); }

const char *velm_version(void) { return VELM_VERSION; }

void velm_error_one_line(GError *error) {
  g_strdelimit(error->message, "\r\n\t", ' ');
  g_strstrip(error->message);
}
