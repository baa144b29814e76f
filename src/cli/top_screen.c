#include "cli/top_screen.h"

#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define OPEN "\033[?1049h\033[?25l\033[H\033[2J"
#define CLOSE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define TO_END_OF_LINE "\033[K"
#define TO_END_OF_SCREEN "\033[J"

struct _VelmTopScreen {
  gboolean has_keys; /* standard input is a terminal too */
  struct termios before;
};

gboolean velm_top_screen_is_there(void) {
  const char *terminal = g_getenv("TERM");
  return isatty(STDOUT_FILENO) && terminal && terminal[0] && !g_str_equal(terminal, "dumb");
}

/* All at once, as a picture in halves flickers. */
static void write_all(const char *text, gsize size) {
  while (size > 0) {
    gssize n = write(STDOUT_FILENO, text, size);
    if (n <= 0)
      return;
    text += n;
    size -= (gsize)n;
  }
}

/* ^Z would leave the shell with the screen as it is here. */
static void take_keys(VelmTopScreen *screen) {
  screen->has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen->before) == 0;
  if (!screen->has_keys)
    return;
  struct termios own = screen->before;
  own.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
  own.c_cc[VSUSP] = _POSIX_VDISABLE;
  own.c_cc[VMIN] = 0;
  own.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSANOW, &own);
}

VelmTopScreen *velm_top_screen_open(void) {
  VelmTopScreen *screen = g_new0(VelmTopScreen, 1);
  take_keys(screen);
  write_all(OPEN, strlen(OPEN));
  return screen;
}

void velm_top_screen_free(VelmTopScreen *screen) {
  if (!screen)
    return;
  write_all(CLOSE, strlen(CLOSE));
  if (screen->has_keys)
    tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
  g_free(screen);
}

void velm_top_screen_get_size(guint *width, guint *height) {
  struct winsize size = {0};
  gboolean known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  *width = known && size.ws_col > 0 ? size.ws_col : 80;
  *height = known && size.ws_row > 0 ? size.ws_row : 24;
}

/* The last line ends without a new one, which would move the others up. */
void velm_top_screen_draw(VelmTopScreen *screen, const char *text) {
  gsize size = strlen(text);
  g_autofree char *body = g_strndup(text, size > 0 && text[size - 1] == '\n' ? size - 1 : size);
  g_auto(GStrv) lines = g_strsplit(body, "\n", -1);
  g_autofree char *joined = g_strjoinv(TO_END_OF_LINE "\r\n", lines);
  g_autofree char *all = g_strconcat(HOME, joined, TO_END_OF_LINE TO_END_OF_SCREEN, NULL);
  write_all(all, strlen(all));
}
