/* Verdicts for a PLC, as a PLC reads them: one after the other, none lost and none twice. */
#include "serve/modbus_link.h"

#include "core/postgres_server.h"
#include "core/scratch.h"
#include "serve/line_fixture.h"

#include <errno.h>
#include <math.h>
#include <modbus.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  LineFixture station;
  char *address;
  VelmLink *link;
  modbus_t *plc; /* connected while the station is there */
  guint16 registers[VELM_N_MODBUS_REGISTERS];
  guint8 inputs[VELM_N_MODBUS_INPUTS];
} Fixture;

/* ---- the PLC ---- */

static modbus_t *connect_to(const char *address) {
  int port = atoi(strchr(address, ':') + 1);
  modbus_t *client = modbus_new_tcp("127.0.0.1", port);
  g_assert_cmpint(modbus_set_response_timeout(client, 20, 0), ==, 0);
  if (modbus_connect(client) != 0)
    g_error("%s: %s", address, modbus_strerror(errno));
  return client;
}

static void disconnect(modbus_t *client) {
  modbus_close(client);
  modbus_free(client);
}

/* As it reads, first the verdict and then its bits. Returns: the sequence number. */
static guint16 look(Fixture *f) {
  g_assert_cmpint(modbus_read_input_registers(f->plc, 0, VELM_N_MODBUS_REGISTERS, f->registers), ==,
                  VELM_N_MODBUS_REGISTERS);
  g_assert_cmpint(modbus_read_input_bits(f->plc, 0, VELM_N_MODBUS_INPUTS, f->inputs), ==,
                  VELM_N_MODBUS_INPUTS);
  return f->registers[VELM_MODBUS_SEQUENCE];
}

static void acknowledge(Fixture *f, guint16 sequence) {
  g_assert_cmpint(modbus_write_register(f->plc, VELM_MODBUS_ACKNOWLEDGED, sequence), ==, 1);
}

static gint64 record_number(const Fixture *f) {
  return ((gint64)f->registers[VELM_MODBUS_RECORD_HIGH] << 16) +
         f->registers[VELM_MODBUS_RECORD_LOW];
}

static void wait_for_record(Fixture *f, gint64 record) {
  line_wait_for(look(f) != 0 && record_number(f) == record);
}

static void wait_for_none(Fixture *f) { line_wait_for(look(f) == 0); }

/* ---- the station ---- */

static void open_station(Fixture *f) {
  line_make(&f->station);
  f->link = line_add_link(&f->station,
                          velm_modbus_link_new(f->station.station, f->address, &f->station.error));
  line_start(&f->station);
  f->plc = connect_to(f->address);
}

static void close_station(Fixture *f) {
  disconnect(g_steal_pointer(&f->plc));
  line_end(&f->station);
}

static void set_up(Fixture *f, gconstpointer data) {
  line_set_up(&f->station, data);
  f->address = line_free_address();
  open_station(f);
}

static void tear_down(Fixture *f, gconstpointer data) {
  close_station(f);
  line_tear_down(&f->station, data);
  g_free(f->address);
}

/* The next record gets the number after @number. */
static void set_last_number(Fixture *f, gint64 number) {
  g_autofree char *sql =
      g_strdup_printf("UPDATE store SET last_record = %" G_GINT64_FORMAT, number);
  line_run_sql(&f->station, sql);
}

static gint64 inspect(Fixture *f, guint number) {
  g_autofree char *key = g_strdup_printf("key %u", number);
  return line_inspect(&f->station, key, number);
}

/* ---- what stands there ---- */

static void test_none(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  line_wait_for((look(f), f->inputs[VELM_MODBUS_READY]));
  g_assert_cmpuint(f->inputs[VELM_MODBUS_WAITS], ==, 0);
  g_assert_cmpuint(f->inputs[VELM_MODBUS_PASS], ==, 0);
  for (guint i = VELM_MODBUS_SEQUENCE; i < VELM_N_MODBUS_REGISTERS; i++)
    g_assert_cmpuint(f->registers[i], ==, 0);
}

static void test_normal(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  wait_for_record(f, inspect(f, 0));
  g_assert_cmpuint(f->inputs[VELM_MODBUS_WAITS], ==, 1);
  g_assert_cmpuint(f->inputs[VELM_MODBUS_PASS], ==, 1);
  g_assert_cmpuint(f->inputs[VELM_MODBUS_READY], ==, 1);
  g_assert_cmpuint(f->registers[VELM_MODBUS_DECISION], ==, 1);
  g_assert_cmpuint(f->registers[VELM_MODBUS_CLASS], ==, 0);
  g_assert_cmpuint(f->registers[VELM_MODBUS_PRODUCT], ==, 1);
  g_assert_cmpuint(f->registers[VELM_MODBUS_SCORE], <, 1000);
}

static void test_anomalous(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  wait_for_record(f, inspect(f, 10));
  g_autoptr(GPtrArray) records = line_records(&f->station);
  const VelmStoredRecord *record = records->pdata[0];
  double share = 1000 * record->score / record->threshold;
  g_assert_cmpuint(f->inputs[VELM_MODBUS_WAITS], ==, 1);
  g_assert_cmpuint(f->inputs[VELM_MODBUS_PASS], ==, 0);
  g_assert_cmpuint(f->registers[VELM_MODBUS_DECISION], ==,
                   g_str_equal(record->decision, "review") ? 4 : 3);
  g_assert_cmpuint(f->registers[VELM_MODBUS_SCORE], ==, (guint16)MIN(lround(share), 65535));
  g_assert_cmpuint(f->registers[VELM_MODBUS_SCORE], >, 1000);
}

static void test_failed(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) broken = g_bytes_new_static("no image", 8);
  g_autoptr(VelmStoredRecord) record = line_inspect_bytes(&f->station, "broken", broken);
  wait_for_record(f, record->id);
  g_assert_cmpuint(f->inputs[VELM_MODBUS_PASS], ==, 0);
  g_assert_cmpuint(f->registers[VELM_MODBUS_DECISION], ==, 5);
  g_assert_cmpuint(f->registers[VELM_MODBUS_SCORE], ==, 0);
}

/* Record numbers of more than 16 bits, in two registers. */
static void test_large_number(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  set_last_number(f, 3 * 65536 + 41);
  g_assert_cmpint(inspect(f, 0), ==, 3 * 65536 + 42);
  wait_for_record(f, 3 * 65536 + 42);
  g_assert_cmpuint(f->registers[VELM_MODBUS_RECORD_HIGH], ==, 3);
  g_assert_cmpuint(f->registers[VELM_MODBUS_RECORD_LOW], ==, 42);
}

static void test_heartbeat(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  look(f);
  guint16 first = f->registers[VELM_MODBUS_HEARTBEAT];
  gint64 start = g_get_monotonic_time();
  line_wait_for((look(f), (guint16)(f->registers[VELM_MODBUS_HEARTBEAT] - first) >= 2));
  g_assert_cmpint(g_get_monotonic_time() - start, >=, G_TIME_SPAN_SECOND);
}

/* ---- acknowledging ---- */

static void test_stands(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 first = inspect(f, 0), second = inspect(f, 10);
  wait_for_record(f, first);
  guint16 sequence = look(f), others[] = {0, (guint16)(sequence + 1), 65535};
  for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
    acknowledge(f, others[i]);
    g_assert_cmpuint(look(f), ==, sequence);
    g_assert_cmpint(record_number(f), ==, first);
    g_assert_cmpuint(f->inputs[VELM_MODBUS_PASS], ==, 1);
  }
  acknowledge(f, sequence);
  wait_for_record(f, second);
  g_assert_cmpuint(look(f), !=, sequence);
  acknowledge(f, sequence); /* again: it acknowledges no other */
  g_assert_cmpint((look(f), record_number(f)), ==, second);
  acknowledge(f, look(f));
  wait_for_none(f);
  g_assert_cmpuint(f->inputs[VELM_MODBUS_WAITS], ==, 0);
  g_assert_cmpuint(f->registers[VELM_MODBUS_DECISION], ==, 0);
}

static void test_wraps(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const guint16 expected[] = {65534, 65535, 1, 2};
  set_last_number(f, 65533);
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
    inspect(f, i);
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
    wait_for_record(f, 65534 + i);
    g_assert_cmpuint(look(f), ==, expected[i]);
    acknowledge(f, expected[i]);
  }
  wait_for_none(f);
}

/* Reads and acknowledges @n verdicts, which are those of the records from @first on. */
static void take(Fixture *f, gint64 first, guint n) {
  for (guint i = 0; i < n; i++) {
    wait_for_record(f, first + i);
    acknowledge(f, look(f));
  }
}

/* What was not acknowledged stands again, what was does not. */
static void test_restart(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 first = inspect(f, 0);
  for (guint i = 1; i < 8; i++)
    inspect(f, i);
  take(f, first, 3);
  wait_for_record(f, first + 3);
  guint16 standing = look(f);
  close_station(f);
  open_station(f);
  wait_for_record(f, first + 3);
  g_assert_cmpuint(look(f), ==, standing);
  take(f, first + 3, 5);
  wait_for_none(f);
  close_station(f);
  open_station(f);
  g_assert_cmpint(inspect(f, 8), ==, first + 8);
  wait_for_record(f, first + 8);
}

/* The PLC got no answer to its acknowledgement, as the station stopped, and sends it again. */
static void test_late_acknowledgement(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 first = inspect(f, 0), second = inspect(f, 1);
  wait_for_record(f, first);
  guint16 sequence = look(f);
  acknowledge(f, sequence);
  wait_for_record(f, second);
  close_station(f);
  open_station(f);
  wait_for_record(f, second);
  acknowledge(f, sequence);
  g_assert_cmpint((look(f), record_number(f)), ==, second);
  g_assert_cmpuint(f->inputs[VELM_MODBUS_WAITS], ==, 1);
}

static void count_record(VelmStoredRecord *record, G_GNUC_UNUSED gboolean existed,
                         const GError *error, gpointer n_kept) {
  g_assert_no_error(error);
  velm_stored_record_free(record);
  g_atomic_int_inc((gint *)n_kept);
}

/* Hands in the image of a number; once it is on the disk, which takes its time, where there is to
 * be no time between one and the next. */
static void hand_in(Fixture *f, guint number, gboolean only_keep, gint *n_kept) {
  VelmStation *station = f->station.station;
  g_autofree char *key = g_strdup_printf("%u", number);
  g_autoptr(GBytes) image = line_image(10 + number);
  const VelmArrival arrival = {.key = key, .name = key, .media_type = "image/png", .image = image};
  if (only_keep)
    g_free(velm_store_put_image(velm_station_get_store(station), image, &f->station.error));
  else
    velm_station_inspect(station, velm_station_find_product(station, LINE_PRODUCT), &arrival,
                         count_record, n_kept);
}

/* The verdicts come as the parts came, also where many are on their way: a PLC counts on it. */
static void test_order(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  enum { N = 60 };
  gint n_kept = 0;
  for (guint i = 0; i < 2 * N; i++)
    hand_in(f, i % N, i < N, &n_kept);
  line_wait_for(g_atomic_int_get(&n_kept) == N);
  g_autoptr(GPtrArray) records = line_records(&f->station);
  g_assert_cmpuint(records->len, ==, N);
  for (guint i = 0; i < N; i++) {
    g_autofree char *key = g_strdup_printf("%u", i);
    const VelmStoredRecord *record = records->pdata[i];
    g_assert_cmpstr(record->key, ==, key);
    wait_for_record(f, record->id);
    acknowledge(f, look(f));
  }
}

/* While the disk does not take what was acknowledged, the verdict stands; then it is acknowledged
 * without being so again. */
static void test_disk_refuses(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 first = inspect(f, 0), second = inspect(f, 1);
  wait_for_record(f, first);
  line_run_sql(&f->station, "ALTER TABLE marks RENAME TO away");
  acknowledge(f, look(f));
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "marks"));
  g_assert_cmpint((look(f), record_number(f)), ==, first);
  line_run_sql(&f->station, "ALTER TABLE away RENAME TO marks");
  wait_for_record(f, second);
  line_wait_for(line_link_is(f->link, VELM_STATE_READY, NULL));
}

/* It looks again by itself. */
static void test_disk_cannot_be_read(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  line_wait_for(line_link_is(f->link, VELM_STATE_READY, NULL));
  line_run_sql(&f->station, "DROP VIEW keys");
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "keys"));
  line_run_sql(&f->station, "CREATE VIEW keys AS SELECT key, id, time FROM records");
  line_wait_for(line_link_is(f->link, VELM_STATE_READY, NULL));
  wait_for_record(f, inspect(f, 0));
}

/* A link that is new has nothing to tell of what was before it. */
static void test_begins_with_the_next(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  inspect(f, 0);
  close_station(f);
  g_free(f->address);
  f->address = line_free_address();
  open_station(f);
  gint64 next = inspect(f, 1);
  wait_for_record(f, next);
  acknowledge(f, look(f));
  wait_for_none(f);
}

/* Where stations share a store, a line's PLC hears of its own images. */
static void test_own_records(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!postgres_server_is_installed()) {
    g_test_skip("there is no PostgreSQL");
    return;
  }
  close_station(f);
  f->station.database = postgres_server_new_database();
  open_station(f);
  line_add_record_of(&f->station, "line-2", 1);
  gint64 own = inspect(f, 0);
  line_add_record_of(&f->station, "line-2", 2);
  gint64 submitted = line_add_record_of(&f->station, LINE_STATION, 3);
  line_wait_for(look(f) != 0);
  g_assert_cmpint(record_number(f), ==, own);
  acknowledge(f, look(f));
  line_wait_for(look(f) != 0 && record_number(f) != own);
  g_assert_cmpint(record_number(f), ==, submitted);
  acknowledge(f, look(f));
  wait_for_none(f);
}

/* ---- clients ---- */

static void test_read_only(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  guint16 values[VELM_N_MODBUS_REGISTERS + 1] = {7, 7};
  guint8 bits[VELM_N_MODBUS_INPUTS + 1] = {0};
  wait_for_record(f, inspect(f, 0));
  guint16 sequence = look(f);
  g_assert_cmpint(modbus_write_bit(f->plc, VELM_MODBUS_PASS, 0), ==, -1);
  g_assert_cmpint(errno, ==, EMBXILADD);
  g_assert_cmpint(modbus_write_register(f->plc, VELM_N_MODBUS_HOLDING, 7), ==, -1);
  g_assert_cmpint(errno, ==, EMBXILADD);
  g_assert_cmpint(modbus_write_registers(f->plc, 0, 2, values), ==, -1);
  g_assert_cmpint(modbus_read_input_registers(f->plc, 0, VELM_N_MODBUS_REGISTERS + 1, values), ==,
                  -1);
  g_assert_cmpint(modbus_read_input_bits(f->plc, 0, VELM_N_MODBUS_INPUTS + 1, bits), ==, -1);
  g_assert_cmpuint(look(f), ==, sequence);
  g_assert_cmpuint(f->inputs[VELM_MODBUS_PASS], ==, 1);
  g_assert_cmpint(modbus_read_registers(f->plc, 0, 1, values), ==, 1);
  g_assert_cmpuint(values[0], ==, 0); /* no part of it was written */
}

static void send_bytes(modbus_t *client, gconstpointer bytes, gsize size) {
  int fd = modbus_get_socket(client);
  g_assert_cmpint(send(fd, bytes, size, MSG_NOSIGNAL), ==, (gssize)size);
}

/* Whether the station ends the connection within @ms. */
static gboolean is_ended(modbus_t *client, int ms) {
  char bytes[300];
  struct pollfd fd = {modbus_get_socket(client), POLLIN, 0};
  return poll(&fd, 1, ms) > 0 && recv(fd.fd, bytes, sizeof bytes, 0) <= 0;
}

/* The others are served, whatever one sends. */
static void test_bad_clients(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const guint8 half[] = {0, 1, 0, 0, 0, 6, 255};
  modbus_t *babbler = connect_to(f->address), *slow = connect_to(f->address),
           *other = connect_to(f->address);
  guint16 registers[VELM_N_MODBUS_REGISTERS];
  g_autofree char *garbage = g_strnfill(300, 'x');
  send_bytes(babbler, garbage, 300);
  send_bytes(slow, half, sizeof half);
  gint64 record = inspect(f, 0);
  wait_for_record(f, record);
  g_assert_cmpint(modbus_read_input_registers(other, 0, VELM_N_MODBUS_REGISTERS, registers), ==,
                  VELM_N_MODBUS_REGISTERS);
  g_assert_cmpuint(registers[VELM_MODBUS_SEQUENCE], ==, look(f));
  g_assert_true(is_ended(slow, 20000));
  g_assert_cmpint((look(f), record_number(f)), ==, record);
  disconnect(babbler);
  disconnect(slow);
  disconnect(other);
}

/* A request that comes a byte at a time may not take for ever either. */
static void test_drips(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  /* That 123 registers are to be written, of which none follows yet. */
  static const guint8 header[] = {0, 1, 0, 0, 0, 253, 255, 16, 0, 0, 0, 123, 246};
  modbus_t *slow = connect_to(f->address);
  gboolean ended = FALSE;
  send_bytes(slow, header, sizeof header);
  for (int i = 0; i < 240 && !ended; i++)
    ended = is_ended(slow, 100) || send(modbus_get_socket(slow), "x", 1, MSG_NOSIGNAL) != 1;
  g_assert_true(ended);
  look(f);
  disconnect(slow);
}

/* Those that say nothing, as they have gone without a word, keep nobody out. */
static void test_many(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  modbus_t *clients[20];
  guint16 registers[VELM_N_MODBUS_REGISTERS];
  for (gsize i = 0; i < G_N_ELEMENTS(clients); i++) {
    clients[i] = connect_to(f->address);
    g_assert_cmpint(modbus_read_input_registers(clients[i], 0, VELM_N_MODBUS_REGISTERS, registers),
                    ==, VELM_N_MODBUS_REGISTERS);
    look(f); /* whom it hears of stays */
  }
  g_assert_true(is_ended(clients[0], 20000));
  for (gsize i = 0; i < G_N_ELEMENTS(clients); i++)
    disconnect(clients[i]);
}

/* ---- addresses ---- */

static void test_addresses(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  GError *error = NULL;
  g_assert_null(velm_modbus_link_new(f->station.station, "nonsense", &error));
  assert_failure(&error, VELM_ERROR_USAGE, "nonsense: not an address to listen at");
  g_assert_null(velm_modbus_link_new(f->station.station, f->address, &error));
  assert_failure(&error, VELM_ERROR_FILE, "cannot be listened at");
}

#define ADD(name, function)                                                                        \
  g_test_add("/serve/modbus/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
  line_fit_model();
  ADD("none", test_none);
  ADD("normal", test_normal);
  ADD("anomalous", test_anomalous);
  ADD("failed", test_failed);
  ADD("large-number", test_large_number);
  ADD("heartbeat", test_heartbeat);
  ADD("stands", test_stands);
  ADD("wraps", test_wraps);
  ADD("order", test_order);
  ADD("restart", test_restart);
  ADD("late-acknowledgement", test_late_acknowledgement);
  ADD("disk-refuses", test_disk_refuses);
  ADD("disk-cannot-be-read", test_disk_cannot_be_read);
  ADD("begins-with-the-next", test_begins_with_the_next);
  ADD("own-records", test_own_records);
  ADD("read-only", test_read_only);
  ADD("bad-clients", test_bad_clients);
  ADD("drips", test_drips);
  ADD("many", test_many);
  ADD("addresses", test_addresses);
  int code = g_test_run();
  line_remove_model();
  return code;
}
