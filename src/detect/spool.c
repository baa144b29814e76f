#include "detect/spool.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

struct _VelmSpool {
  int file;
  gsize row, n;
};

static void set_errno(GError **error, const char *what) {
  int code = errno;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "temporary file in %s cannot be %s: %s",
              g_get_tmp_dir(), what, g_strerror(code));
}

VelmSpool *velm_spool_new(gsize row, GError **error) {
  g_autofree char *path = NULL;
  g_autoptr(GError) cause = NULL;
  int file = g_file_open_tmp("velm-fit-XXXXXX", &path, &cause);
  if (file < 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s", cause->message);
    return NULL;
  }
  g_unlink(path);
  VelmSpool *spool = g_new0(VelmSpool, 1);
  spool->file = file;
  spool->row = row;
  return spool;
}

gboolean velm_spool_append(VelmSpool *spool, const float *rows, gsize n, GError **error) {
  gsize size = n * spool->row * sizeof(float), done = 0;
  off_t start = (off_t)(spool->n * spool->row * sizeof(float));
  while (done < size) {
    gssize wrote = pwrite(spool->file, (const char *)rows + done, size - done, start + (off_t)done);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote <= 0) {
      set_errno(error, "written");
      return FALSE;
    }
    done += (gsize)wrote;
  }
  spool->n += n;
  return TRUE;
}

gboolean velm_spool_read(VelmSpool *spool, gsize first, gsize n, float *rows, GError **error) {
  gsize size = n * spool->row * sizeof(float), done = 0;
  off_t start = (off_t)(first * spool->row * sizeof(float));
  while (done < size) {
    gssize got = pread(spool->file, (char *)rows + done, size - done, start + (off_t)done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0) {
      if (got == 0)
        errno = ENODATA; /* the file ends before */
      set_errno(error, "read");
      return FALSE;
    }
    done += (gsize)got;
  }
  return TRUE;
}

gsize velm_spool_n_rows(const VelmSpool *spool) { return spool->n; }

void velm_spool_free(VelmSpool *spool) {
  if (!spool)
    return;
  close(spool->file);
  g_free(spool);
}
