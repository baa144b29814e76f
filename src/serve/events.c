#include "serve/events.h"

/* Events that are kept for those whose connection was lost. */
#define KEPT 200
#define MOST_FOLLOWERS 100
/* A line that says nothing, so that proxies keep the connection, and a lost one is noticed. */
#define BEAT_S 15

typedef struct {
  guint64 number;
  char *text; /* as it is sent */
} Event;

struct _VelmEvents {
  GMutex lock;
  GCond ended;
  gboolean ending;
  GQueue kept;          /* of Event, the oldest first */
  guint64 number;       /* of the latest */
  guint beats;          /* how many there were */
  GPtrArray *followers; /* of Follower */
  GThread *thread;
};

typedef struct {
  VelmEvents *events;
  VelmExchange *exchange;
  guint64 number; /* of the last event that it has */
  guint beats;
} Follower;

static void event_free(gpointer data) {
  Event *event = data;
  g_free(event->text);
  g_free(event);
}

/* Under the lock, so that nobody goes meanwhile. */
static void wake_all(VelmEvents *events) {
  for (guint i = 0; i < events->followers->len; i++)
    velm_exchange_wake(((Follower *)events->followers->pdata[i])->exchange);
}

static gpointer beat(gpointer data) {
  VelmEvents *events = data;
  g_mutex_lock(&events->lock);
  while (!events->ending) {
    gint64 next = g_get_monotonic_time() + BEAT_S * G_TIME_SPAN_SECOND;
    if (g_cond_wait_until(&events->ended, &events->lock, next))
      continue;
    events->beats++;
    wake_all(events);
  }
  g_mutex_unlock(&events->lock);
  return NULL;
}

VelmEvents *velm_events_new(void) {
  VelmEvents *events = g_new0(VelmEvents, 1);
  g_mutex_init(&events->lock);
  g_cond_init(&events->ended);
  g_queue_init(&events->kept);
  events->followers = g_ptr_array_new();
  /* After a restart, numbers go on from higher ones than anyone has. */
  events->number = (guint64)g_get_real_time();
  events->thread = g_thread_new("events", beat, events);
  return events;
}

void velm_events_free(VelmEvents *events) {
  if (!events)
    return;
  g_mutex_lock(&events->lock);
  events->ending = TRUE;
  g_cond_signal(&events->ended);
  g_mutex_unlock(&events->lock);
  g_thread_join(events->thread);
  g_queue_clear_full(&events->kept, event_free);
  g_ptr_array_unref(events->followers);
  g_cond_clear(&events->ended);
  g_mutex_clear(&events->lock);
  g_free(events);
}

void velm_events_publish(VelmEvents *events, const char *type, const char *json) {
  g_mutex_lock(&events->lock);
  Event *event = g_new(Event, 1);
  event->number = ++events->number;
  event->text = g_strdup_printf("id: %" G_GUINT64_FORMAT "\nevent: %s\ndata: %s\n\n", event->number,
                                type, json);
  g_queue_push_tail(&events->kept, event);
  if (events->kept.length > KEPT)
    event_free(g_queue_pop_head(&events->kept));
  wake_all(events);
  g_mutex_unlock(&events->lock);
}

/* ---- following ---- */

static VelmBodyState next_events(gpointer state, GString *piece) {
  Follower *follower = state;
  VelmEvents *events = follower->events;
  g_mutex_lock(&events->lock);
  for (const GList *link = events->kept.head; link; link = link->next) {
    const Event *event = link->data;
    if (event->number > follower->number)
      g_string_append(piece, event->text);
  }
  follower->number = events->number;
  if (piece->len == 0 && follower->beats != events->beats)
    g_string_append(piece, ":\n\n");
  follower->beats = events->beats;
  g_mutex_unlock(&events->lock);
  return piece->len > 0 ? VELM_BODY_MORE : VELM_BODY_WAIT;
}

static void unfollow(gpointer state) {
  Follower *follower = state;
  VelmEvents *events = follower->events;
  g_mutex_lock(&events->lock);
  g_ptr_array_remove_fast(events->followers, follower);
  g_mutex_unlock(&events->lock);
  g_free(follower);
}

VelmResponse *velm_events_follow(VelmEvents *events, VelmExchange *exchange, const char *last) {
  g_mutex_lock(&events->lock);
  gboolean full = events->followers->len >= MOST_FOLLOWERS;
  Follower *follower = g_new0(Follower, 1);
  if (!full) {
    guint64 number = last ? g_ascii_strtoull(last, NULL, 10) : 0;
    /* The first line goes out at once: who follows knows that it does. */
    *follower = (Follower){events, exchange, number ? MIN(number, events->number) : events->number,
                           events->beats - 1};
    g_ptr_array_add(events->followers, follower);
  }
  g_mutex_unlock(&events->lock);
  if (full) {
    g_free(follower);
    return velm_response_new_problem(503, "too many follow the events");
  }
  VelmResponse *response =
      velm_response_new_made("text/event-stream", (VelmBody){next_events, unfollow, follower});
  velm_response_set_header(response, "Cache-Control", "no-store");
  return response;
}
