/* Jobs as messages: what is written is read, and what is no job is told why. */
#include "plant/job.h"

#include <string.h>

#define SUBJECT "velm.detect.disc"

/* Headers of a message that is a job, but for what a case changes. */
typedef struct {
  const char *name, *value; /* the header that differs; a value of NULL leaves it out */
  const char *body;
  const char *why; /* in the error */
} Case;

static natsMsg *make_message(const Case *difference) {
  static const char *const headers[][2] = {
      {"Velm-Key", "key-1"}, {"Velm-Name", "one.png"}, {"Velm-Time", "1700000000000000"}};
  natsMsg *message = NULL;
  const char *body = difference->body ? difference->body : "image";
  g_assert_cmpint(natsMsg_Create(&message, SUBJECT, NULL, body, (int)strlen(body)), ==, NATS_OK);
  for (gsize i = 0; i < G_N_ELEMENTS(headers); i++)
    if (g_strcmp0(headers[i][0], difference->name) != 0)
      natsMsgHeader_Set(message, headers[i][0], headers[i][1]);
  if (difference->name && difference->value)
    natsMsgHeader_Set(message, difference->name, difference->value);
  return message;
}

static void check_refused(const Case *difference) {
  g_autoptr(GError) error = NULL;
  g_autoptr(natsMsg) message = make_message(difference);
  g_autoptr(VelmPlantJob) job = velm_plant_job_read(message, &error);
  g_assert_error(error, VELM_ERROR, VELM_ERROR_USAGE);
  g_assert_null(job);
  g_assert_nonnull(strstr(error->message, difference->why));
}

static void test_read(void) {
  const Case none = {0};
  g_autoptr(GError) error = NULL;
  g_autoptr(natsMsg) message = make_message(&none);
  g_autoptr(VelmPlantJob) job = velm_plant_job_read(message, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(job->key, ==, "key-1");
  g_assert_cmpstr(job->product, ==, "disc");
  g_assert_cmpstr(job->name, ==, "one.png");
  g_assert_null(job->part);
  g_assert_null(job->station);
  g_assert_null(job->reference);
  g_assert_cmpint(job->time, ==, 1700000000000000);
  g_assert_cmpmem(g_bytes_get_data(job->image, NULL), g_bytes_get_size(job->image), "image", 5);
}

static void test_refused(void) {
  g_autofree char *long_key = g_strnfill(201, 'k');
  g_autofree char *long_name = g_strnfill(5000, 'n');
  const Case cases[] = {
      {"Velm-Key", NULL, NULL, "key (Velm-Key) is missing"},
      {"Velm-Key", "a b", NULL, "key will not do"},
      {"Velm-Key", long_key, NULL, "key will not do"},
      {"Velm-Name", NULL, NULL, "name (Velm-Name) is missing"},
      {"Velm-Name", long_name, NULL, "is too long"},
      {"Velm-Name", "\xff\xfe", NULL, "is not plain UTF-8"},
      {"Velm-Part", "\x01", NULL, "part is not plain UTF-8"},
      {"Velm-Station", "", NULL, "station is empty"},
      {"Velm-Station", "a\tb", NULL, "station is not plain UTF-8"},
      {"Velm-Time", "yesterday", NULL, "no number of microseconds"},
      {"Velm-Time", "-5", NULL, "no number of microseconds"},
      {"Velm-Image", "file:a.png", NULL, "given twice"},
      {NULL, NULL, "", "image is missing"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    check_refused(&cases[i]);
}

/* What a submitter writes, a worker reads. */
static void test_round_trip(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) image = g_bytes_new("\0\1\2", 3);
  VelmPlantJob job = {.key = (char *)"k 1",
                      .product = (char *)"disc",
                      .name = (char *)"Scheibe \xc3\xbc.png",
                      .part = (char *)"\xe9\x83\xa8\xe5\x93\x81",
                      .station = (char *)"line 2",
                      .image = image,
                      .time = 12345};
  g_autoptr(natsMsg) refused = velm_plant_job_to_message(NULL, &job, VELM_STAGE_DETECT, &error);
  g_assert_error(error, VELM_ERROR, VELM_ERROR_USAGE);
  g_assert_null(refused);
  g_clear_error(&error);
  job.key = (char *)"k/1:~";
  g_autoptr(natsMsg) message = velm_plant_job_to_message(NULL, &job, VELM_STAGE_CLASSIFY, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(natsMsg_GetSubject(message), ==, "velm.classify.disc");
  g_autoptr(VelmPlantJob) read = velm_plant_job_read(message, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(read->key, ==, job.key);
  g_assert_cmpstr(read->name, ==, job.name);
  g_assert_cmpstr(read->part, ==, job.part);
  g_assert_cmpstr(read->station, ==, "line 2");
  g_assert_cmpint(read->time, ==, job.time);
  g_assert_true(g_bytes_equal(read->image, image));
}

static void test_reference(void) {
  g_autoptr(GError) error = NULL;
  VelmPlantJob job = {.key = (char *)"k",
                      .product = (char *)"disc",
                      .name = (char *)"n",
                      .reference = (char *)"s3://bucket/a%20b.png"};
  g_autoptr(natsMsg) message = velm_plant_job_to_message(NULL, &job, VELM_STAGE_DETECT, &error);
  g_assert_no_error(error);
  g_autoptr(VelmPlantJob) read = velm_plant_job_read(message, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(read->reference, ==, job.reference);
  g_assert_null(read->image);
  g_assert_cmpint(read->time, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  nats_Open(-1); /* what is otherwise done by the first connection */
  g_test_add_func("/plant/job/read", test_read);
  g_test_add_func("/plant/job/refused", test_refused);
  g_test_add_func("/plant/job/round-trip", test_round_trip);
  g_test_add_func("/plant/job/reference", test_reference);
  int code = g_test_run();
  nats_Close();
  return code;
}
