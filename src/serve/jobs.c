#include "serve/jobs.h"

#include "serve/lesson.h"
#include "serve/record_json.h"

/* Jobs that have ended and are remembered. */
#define REMEMBERED 50
/* How long a step waits for the line's images, at most, and how often it looks. */
#define YIELD_US (2 * G_TIME_SPAN_SECOND)
#define LOOK_US (10 * 1000)
/* How often the followers are told of progress. */
#define TELL_US (250 * 1000)

typedef struct {
  VelmJob job;
  VelmProduct *product;
  gboolean cancelled;
} Entry;

struct _VelmJobs {
  VelmStation *station;
  GThread *thread;
  GMutex lock;
  GCond changed;
  GPtrArray *entries; /* of Entry, in the order in which they were added */
  gboolean ending;
};

/* The one that runs, for its thread. */
typedef struct {
  VelmJobs *jobs;
  Entry *entry;
  gint64 told;
} Run;

const char *velm_job_kind_name(VelmJobKind kind) {
  static const char *const names[] = {"teach", "refit"};
  return names[kind];
}

const char *velm_job_state_name(VelmJobState state) {
  static const char *const names[] = {"queued", "running", "done", "failed", "cancelled"};
  return names[state];
}

static void clear_job(VelmJob *job) {
  g_free(job->id);
  g_free(job->product);
  g_free(job->who);
  g_free(job->step);
  g_free(job->error);
}

void velm_job_free(VelmJob *job) {
  if (!job)
    return;
  clear_job(job);
  g_free(job);
}

static void entry_free(gpointer data) {
  clear_job(&((Entry *)data)->job);
  g_free(data);
}

static VelmJob *copy_job(const VelmJob *job) {
  VelmJob *copy = g_new(VelmJob, 1);
  *copy = *job;
  copy->id = g_strdup(job->id);
  copy->product = g_strdup(job->product);
  copy->who = g_strdup(job->who);
  copy->step = g_strdup(job->step);
  copy->error = g_strdup(job->error);
  return copy;
}

void velm_job_build(const VelmJob *job, JsonBuilder *builder) {
  velm_json_set_string(builder, "id", job->id);
  velm_json_set_string(builder, "product", job->product);
  velm_json_set_string(builder, "kind", velm_job_kind_name(job->kind));
  velm_json_set_string(builder, "state", velm_job_state_name(job->state));
  velm_json_set_string(builder, "step", job->step);
  velm_json_set_int(builder, "done", (gint64)job->done);
  velm_json_set_int(builder, "total", (gint64)job->total);
  velm_json_set_string(builder, "who", job->who);
  velm_json_set_time(builder, "created", job->created);
  velm_json_set_time(builder, "started", job->started);
  velm_json_set_time(builder, "ended", job->ended);
  velm_json_set_string(builder, "error", job->error);
  json_builder_set_member_name(builder, "version");
  if (job->version)
    json_builder_add_int_value(builder, job->version);
  else
    json_builder_add_null_value(builder);
}

/* @job: (transfer full): a copy that was taken under the lock. */
static void tell(VelmJobs *jobs, VelmJob *job) {
  g_autoptr(VelmJob) owned = job;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_job_build(job, builder);
  json_builder_end_object(builder);
  g_autofree char *json = velm_json_print(builder, FALSE);
  velm_events_publish(velm_station_get_events(jobs->station), "job", json);
}

/* ---- working ---- */

static gboolean is_given_up(const Run *run) {
  g_mutex_lock(&run->jobs->lock);
  gboolean given_up = run->entry->cancelled || run->jobs->ending;
  g_mutex_unlock(&run->jobs->lock);
  return given_up;
}

static gboolean line_is_busy(const VelmJobs *jobs) {
  const GPtrArray *products = velm_station_get_products(jobs->station);
  for (guint i = 0; i < products->len; i++)
    if (velm_product_get_queued(products->pdata[i]) > 0)
      return TRUE;
  return FALSE;
}

/* Lets the line's images go first; but where they never end, the job goes on all the same. */
static void yield_to_line(const Run *run) {
  gint64 end = g_get_monotonic_time() + YIELD_US;
  while (line_is_busy(run->jobs) && g_get_monotonic_time() < end && !is_given_up(run))
    g_usleep(LOOK_US);
}

static gboolean note_progress(const char *step, gsize done, gsize total, gpointer data) {
  Run *run = data;
  VelmJob *job = &run->entry->job;
  g_mutex_lock(&run->jobs->lock);
  gboolean other = g_strcmp0(job->step, step) != 0;
  if (other) {
    g_free(job->step);
    job->step = g_strdup(step);
  }
  job->done = done;
  job->total = total;
  gint64 now = g_get_monotonic_time();
  VelmJob *news = other || now - run->told >= TELL_US ? copy_job(job) : NULL;
  g_mutex_unlock(&run->jobs->lock);
  if (news) {
    tell(run->jobs, news);
    run->told = now;
  }
  yield_to_line(run);
  return !is_given_up(run);
}

/* Under the lock. */
static void end_job(VelmJob *job, gint64 version, const GError *error) {
  gboolean cancelled = g_error_matches(error, VELM_ERROR, VELM_ERROR_CANCELLED);
  job->state = !error ? VELM_JOB_DONE : cancelled ? VELM_JOB_CANCELLED : VELM_JOB_FAILED;
  job->error = error && !cancelled ? g_strdup(error->message) : NULL;
  job->version = version;
  job->ended = g_get_real_time();
  g_clear_pointer(&job->step, g_free);
}

static void run_job(VelmJobs *jobs, Entry *entry) {
  Run run = {jobs, entry, 0};
  gint64 version = 0;
  g_autoptr(GError) error = NULL;
  const VelmLessonParams params = {entry->job.kind, entry->job.who, note_progress, &run};
  velm_lesson_give(jobs->station, entry->product, &params, &version, &error);
  g_mutex_lock(&jobs->lock);
  end_job(&entry->job, version, error);
  VelmJob *news = copy_job(&entry->job);
  g_mutex_unlock(&jobs->lock);
  tell(jobs, news);
}

/* Under the lock. */
static gboolean is_over(const Entry *entry) {
  return entry->job.state != VELM_JOB_QUEUED && entry->job.state != VELM_JOB_RUNNING;
}

/* Waits for the next job, and begins it. Returns: NULL where it is to end. */
static Entry *next_job(VelmJobs *jobs) {
  Entry *next = NULL;
  g_mutex_lock(&jobs->lock);
  while (!jobs->ending && !next) {
    for (guint i = 0; !next && i < jobs->entries->len; i++) {
      Entry *entry = jobs->entries->pdata[i];
      next = entry->job.state == VELM_JOB_QUEUED ? entry : NULL;
    }
    if (!next)
      g_cond_wait(&jobs->changed, &jobs->lock);
  }
  if (next) {
    next->job.state = VELM_JOB_RUNNING;
    next->job.started = g_get_real_time();
  }
  g_mutex_unlock(&jobs->lock);
  return next;
}

static gpointer work(gpointer data) {
  VelmJobs *jobs = data;
  Entry *entry;
  while ((entry = next_job(jobs)))
    run_job(jobs, entry);
  return NULL;
}

/* ---- the jobs ---- */

VelmJobs *velm_jobs_new(VelmStation *station) {
  VelmJobs *jobs = g_new0(VelmJobs, 1);
  jobs->station = station;
  jobs->entries = g_ptr_array_new_with_free_func(entry_free);
  g_mutex_init(&jobs->lock);
  g_cond_init(&jobs->changed);
  return jobs;
}

void velm_jobs_start(VelmJobs *jobs) { jobs->thread = g_thread_new("jobs", work, jobs); }

void velm_jobs_end(VelmJobs *jobs) {
  g_mutex_lock(&jobs->lock);
  jobs->ending = TRUE;
  g_cond_signal(&jobs->changed);
  g_mutex_unlock(&jobs->lock);
  if (jobs->thread)
    g_thread_join(g_steal_pointer(&jobs->thread));
}

void velm_jobs_free(VelmJobs *jobs) {
  if (!jobs)
    return;
  velm_jobs_end(jobs);
  g_ptr_array_unref(jobs->entries);
  g_mutex_clear(&jobs->lock);
  g_cond_clear(&jobs->changed);
  g_free(jobs);
}

/* Under the lock. */
static gboolean is_busy_with(const VelmJobs *jobs, const VelmProduct *product) {
  for (guint i = 0; i < jobs->entries->len; i++) {
    const Entry *entry = jobs->entries->pdata[i];
    if (entry->product == product && !is_over(entry))
      return TRUE;
  }
  return FALSE;
}

/* Under the lock. */
static void forget_oldest(VelmJobs *jobs) {
  for (guint i = 0; jobs->entries->len > REMEMBERED && i < jobs->entries->len;)
    if (is_over(jobs->entries->pdata[i]))
      g_ptr_array_remove_index(jobs->entries, i);
    else
      i++;
}

VelmJob *velm_jobs_add(VelmJobs *jobs, VelmProduct *product, VelmJobKind kind, const char *who) {
  g_mutex_lock(&jobs->lock);
  if (is_busy_with(jobs, product)) {
    g_mutex_unlock(&jobs->lock);
    return NULL;
  }
  Entry *entry = g_new0(Entry, 1);
  entry->product = product;
  entry->job = (VelmJob){.id = g_uuid_string_random(),
                         .product = g_strdup(velm_product_get_name(product)),
                         .who = g_strdup(who),
                         .kind = kind,
                         .created = g_get_real_time()};
  g_ptr_array_add(jobs->entries, entry);
  forget_oldest(jobs);
  VelmJob *job = copy_job(&entry->job);
  g_cond_signal(&jobs->changed);
  g_mutex_unlock(&jobs->lock);
  return job;
}

/* Under the lock. */
static Entry *find(const VelmJobs *jobs, const char *id) {
  for (guint i = 0; i < jobs->entries->len; i++)
    if (g_str_equal(((Entry *)jobs->entries->pdata[i])->job.id, id))
      return jobs->entries->pdata[i];
  return NULL;
}

VelmJob *velm_jobs_get(VelmJobs *jobs, const char *id) {
  g_mutex_lock(&jobs->lock);
  const Entry *entry = find(jobs, id);
  VelmJob *job = entry ? copy_job(&entry->job) : NULL;
  g_mutex_unlock(&jobs->lock);
  return job;
}

GPtrArray *velm_jobs_list(VelmJobs *jobs, const char *product) {
  GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)velm_job_free);
  g_mutex_lock(&jobs->lock);
  for (guint i = jobs->entries->len; i > 0; i--) {
    const VelmJob *job = &((Entry *)jobs->entries->pdata[i - 1])->job;
    if (!product || g_str_equal(job->product, product))
      g_ptr_array_add(list, copy_job(job));
  }
  g_mutex_unlock(&jobs->lock);
  return list;
}

gboolean velm_jobs_cancel(VelmJobs *jobs, const char *id) {
  g_mutex_lock(&jobs->lock);
  Entry *entry = find(jobs, id);
  if (entry && entry->job.state == VELM_JOB_QUEUED) {
    entry->job.state = VELM_JOB_CANCELLED;
    entry->job.ended = g_get_real_time();
  } else if (entry) {
    entry->cancelled = TRUE;
  }
  VelmJob *news = entry ? copy_job(&entry->job) : NULL;
  g_mutex_unlock(&jobs->lock);
  if (news)
    tell(jobs, news);
  return entry != NULL;
}
