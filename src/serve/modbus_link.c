#include "serve/modbus_link.h"

#include "act/spec.h"
#include "serve/listen.h"
#include "serve/outbox.h"
#include "serve/readiness.h"
#include "serve/wakeup.h"

#include <errno.h>
#include <math.h>
#include <modbus.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_CLIENTS 8
/* How long a request may take to arrive once it has begun. */
#define REQUEST_S 1
#define REFUSAL_US 1000
#define TICK_MS 250

typedef struct {
  VelmLink link;
  GSocket *socket;
  modbus_t *modbus;
  modbus_mapping_t *mapping;
  VelmOutbox *outbox;
  GThread *thread;
  int wake;
  gint stopping; /* atomic */

  /* the thread's own */
  int clients[MOST_CLIENTS]; /* the one that was heard last at the end */
  guint n_clients;
  VelmStoredRecord *standing; /* the verdict that stands */
} Modbus;

/* ---- registers ---- */

static guint16 decision_number(const char *decision) {
  static const char *const names[] = {"normal", "negligible", "defect", "review",
                                      VELM_STORE_FAILED};
  for (guint16 i = 0; i < G_N_ELEMENTS(names); i++)
    if (g_str_equal(names[i], decision))
      return (guint16)(i + 1);
  return 0;
}

static guint16 product_number(VelmStation *station, const char *name) {
  const GPtrArray *products = velm_station_get_products(station);
  for (guint i = 0; i < products->len; i++)
    if (g_str_equal(velm_product_get_name(products->pdata[i]), name))
      return (guint16)(i + 1);
  return 0;
}

static guint16 class_number(VelmStation *station, const VelmStoredRecord *record) {
  VelmProduct *product = velm_station_find_product(station, record->product);
  if (!record->detected_class)
    return 0;
  g_auto(VelmProductText) text = {0};
  if (product)
    text = velm_product_get_text(product);
  g_autoptr(VelmSpec) spec =
      text.spec ? velm_spec_parse(text.spec, strlen(text.spec), "the spec", NULL, NULL) : NULL;
  int index = spec ? velm_classes_find(velm_spec_get_classes(spec), record->detected_class) : -1;
  return index >= 0 ? (guint16)(index + 1) : 65535;
}

/* The record's own, so that it is the same after a restart: an acknowledgement that is sent again
 * then acknowledges no other verdict. */
static guint16 sequence_number(const VelmStoredRecord *record) {
  return (guint16)((record->id - 1) % 65535 + 1);
}

static guint16 score_number(const VelmStoredRecord *record) {
  double share = record->score / record->threshold;
  return isfinite(share) ? (guint16)CLAMP(lround(1000 * share), 0, 65535) : 0;
}

static void show(Modbus *modbus, const VelmStoredRecord *record) {
  guint16 *registers = modbus->mapping->tab_input_registers;
  guint8 *inputs = modbus->mapping->tab_input_bits;
  guint16 decision = decision_number(record->decision);
  registers[VELM_MODBUS_SEQUENCE] = sequence_number(record);
  registers[VELM_MODBUS_DECISION] = decision;
  registers[VELM_MODBUS_CLASS] = class_number(modbus->link.station, record);
  registers[VELM_MODBUS_PRODUCT] = product_number(modbus->link.station, record->product);
  registers[VELM_MODBUS_SCORE] = score_number(record);
  registers[VELM_MODBUS_RECORD_HIGH] = (guint16)(record->id >> 16);
  registers[VELM_MODBUS_RECORD_LOW] = (guint16)record->id;
  inputs[VELM_MODBUS_PASS] = decision == 1 || decision == 2;
  inputs[VELM_MODBUS_WAITS] = TRUE;
}

static void show_none(Modbus *modbus) {
  guint16 heartbeat = modbus->mapping->tab_input_registers[VELM_MODBUS_HEARTBEAT];
  memset(modbus->mapping->tab_input_registers, 0, VELM_N_MODBUS_REGISTERS * sizeof(guint16));
  modbus->mapping->tab_input_registers[VELM_MODBUS_HEARTBEAT] = heartbeat;
  modbus->mapping->tab_input_bits[VELM_MODBUS_WAITS] = FALSE;
  modbus->mapping->tab_input_bits[VELM_MODBUS_PASS] = FALSE;
}

/* ---- one verdict after the other ---- */

static void fail(Modbus *modbus, const GError *error) {
  velm_link_set_status(&modbus->link, VELM_STATE_DEGRADED, error->message);
}

static void show_next(Modbus *modbus) {
  g_autoptr(GError) error = NULL;
  if (modbus->standing)
    return;
  if (!velm_outbox_next(modbus->outbox, &modbus->standing, &error)) {
    fail(modbus, error);
    return;
  }
  velm_link_set_status(&modbus->link, VELM_STATE_READY, NULL);
  if (modbus->standing)
    show(modbus, modbus->standing);
}

/* The next one stands only when it is on the disk that this one has been read. */
static void take_acknowledgement(Modbus *modbus) {
  g_autoptr(GError) error = NULL;
  guint16 *holding = modbus->mapping->tab_registers;
  if (!modbus->standing || holding[VELM_MODBUS_ACKNOWLEDGED] != sequence_number(modbus->standing))
    return;
  if (!velm_outbox_done(modbus->outbox, modbus->standing, &error)) {
    fail(modbus, error);
    return;
  }
  g_clear_pointer(&modbus->standing, velm_stored_record_free);
  show_none(modbus);
  show_next(modbus);
}

static void tick(Modbus *modbus) {
  VelmState state = velm_readiness(modbus->link.station);
  modbus->mapping->tab_input_registers[VELM_MODBUS_HEARTBEAT] =
      (guint16)(g_get_monotonic_time() / G_TIME_SPAN_SECOND);
  modbus->mapping->tab_input_bits[VELM_MODBUS_READY] =
      state == VELM_STATE_READY || state == VELM_STATE_DEGRADED;
  take_acknowledgement(modbus); /* one that the disk did not take is tried again */
  show_next(modbus);
}

/* ---- clients ---- */

/* Where there are too many, the one that has been silent for longest has gone without a word. */
static void make_room(Modbus *modbus) {
  if (modbus->n_clients < MOST_CLIENTS)
    return;
  close(modbus->clients[0]);
  modbus->n_clients--;
  memmove(modbus->clients, modbus->clients + 1, modbus->n_clients * sizeof *modbus->clients);
}

static void take_client(Modbus *modbus) {
  int client = accept(g_socket_get_fd(modbus->socket), NULL, NULL);
  const struct timeval patience = {REQUEST_S, 0};
  if (client < 0)
    return;
  /* One that takes no answers is not waited for. */
  setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  make_room(modbus);
  modbus->clients[modbus->n_clients++] = client;
}

/* Returns: FALSE where the client has gone. */
static gboolean answer(Modbus *modbus, int client) {
  guint8 query[MODBUS_TCP_MAX_ADU_LENGTH];
  modbus_set_socket(modbus->modbus, client);
  int length = modbus_receive(modbus->modbus, query);
  if (length < 0 || modbus_reply(modbus->modbus, query, length, modbus->mapping) < 0)
    return FALSE;
  take_acknowledgement(modbus);
  return TRUE;
}

/* @fds: of the clients, as they were polled. */
static void answer_all(Modbus *modbus, const struct pollfd *fds, guint n) {
  int heard[MOST_CLIENTS];
  guint n_silent = 0, n_heard = 0;
  for (guint i = 0; i < n; i++) {
    int client = modbus->clients[i];
    if (fds[i].revents == 0)
      modbus->clients[n_silent++] = client;
    else if (answer(modbus, client))
      heard[n_heard++] = client;
    else
      close(client);
  }
  memcpy(modbus->clients + n_silent, heard, n_heard * sizeof *heard);
  modbus->n_clients = n_silent + n_heard;
}

static gpointer serve_in_thread(gpointer data) {
  Modbus *modbus = data;
  velm_link_set_status(&modbus->link, VELM_STATE_READY, NULL);
  while (!g_atomic_int_get(&modbus->stopping)) {
    struct pollfd fds[MOST_CLIENTS + 2] = {{modbus->wake, POLLIN, 0},
                                           {g_socket_get_fd(modbus->socket), POLLIN, 0}};
    guint n = modbus->n_clients;
    for (guint i = 0; i < n; i++)
      fds[i + 2] = (struct pollfd){modbus->clients[i], POLLIN, 0};
    tick(modbus);
    if (poll(fds, n + 2, TICK_MS) <= 0)
      continue;
    if (fds[0].revents)
      velm_wakeup_clear(modbus->wake);
    answer_all(modbus, fds + 2, n);
    if (fds[1].revents)
      take_client(modbus);
  }
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Modbus *modbus = (Modbus *)link;
  modbus->thread = g_thread_new("modbus", serve_in_thread, modbus);
}

static void tell(VelmLink *link, const VelmStoredRecord *record) {
  velm_wakeup_wake(((Modbus *)link)->wake);
}

static void end(VelmLink *link) {
  Modbus *modbus = (Modbus *)link;
  g_atomic_int_set(&modbus->stopping, TRUE);
  velm_wakeup_wake(modbus->wake);
  if (modbus->thread)
    g_thread_join(g_steal_pointer(&modbus->thread));
}

static void modbus_free_link(VelmLink *link) {
  Modbus *modbus = (Modbus *)link;
  for (guint i = 0; i < modbus->n_clients; i++)
    close(modbus->clients[i]);
  close(modbus->wake);
  g_clear_object(&modbus->socket);
  modbus_free(modbus->modbus);
  if (modbus->mapping)
    modbus_mapping_free(modbus->mapping);
  velm_outbox_free(modbus->outbox);
  velm_stored_record_free(modbus->standing);
  velm_link_clear(link);
  g_free(modbus);
}

static const VelmLinkClass klass = {
    .start = start, .tell = tell, .end = end, .free = modbus_free_link};

static gboolean set_up(Modbus *modbus, const char *listen, GError **error) {
  modbus->socket = velm_listen(listen, error);
  modbus->outbox = modbus->socket ? velm_outbox_new(velm_station_get_store(modbus->link.station),
                                                    modbus->link.name, error)
                                  : NULL;
  if (!modbus->outbox)
    return FALSE;
  modbus->modbus = modbus_new_tcp(NULL, 0);
  modbus->mapping =
      modbus_mapping_new(0, VELM_N_MODBUS_INPUTS, VELM_N_MODBUS_HOLDING, VELM_N_MODBUS_REGISTERS);
  modbus->wake = velm_wakeup_new();
  if (modbus->modbus && modbus->mapping && modbus->wake >= 0)
    /* Without a time for each byte, as one now and then would take for ever; and libmodbus waits
     * for the time of a response, in which nobody else is answered, before it refuses a request. */
    return modbus_set_indication_timeout(modbus->modbus, REQUEST_S, 0) == 0 &&
           modbus_set_byte_timeout(modbus->modbus, 0, 0) == 0 &&
           modbus_set_response_timeout(modbus->modbus, 0, REFUSAL_US) == 0;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: Modbus cannot be served: %s", listen,
              g_strerror(errno));
  return FALSE;
}

VelmLink *velm_modbus_link_new(VelmStation *station, const char *listen, GError **error) {
  Modbus *modbus = g_new0(Modbus, 1);
  modbus->wake = -1;
  velm_link_init(&modbus->link, &klass, station, g_strconcat("modbus ", listen, NULL));
  if (set_up(modbus, listen, error))
    return &modbus->link;
  modbus_free_link(&modbus->link);
  return NULL;
}
