#include "serve/product.h"

#include "act/inspector.h"
#include "act/spec.h"
#include "core/file.h"
#include "core/model.h"

#include <glib/gstdio.h>
#include <string.h>

/* How long to wait for the next image before looking around, with none on its way and with some. */
#define IDLE_WAIT_US (200 * 1000)
#define BUSY_WAIT_MS 2

/* A model with its spec, open. */
typedef struct {
  VelmModel *model;
  VelmSpec *spec; /* NULL for the model's own */
  VelmInspector *inspector;
  VelmProductText text;
  VelmMadeBy made_by;
  guint wish; /* that it answers */
} Setup;

/* The files that a setup is to be of. @version: the plant's number for them, or 0 */
typedef struct {
  char *model, *spec;
  gint64 version;
} Files;

typedef struct {
  char *path;
  VelmProductDone done;
  gpointer user_data;
  VelmProduct *product;
} Task;

struct _VelmProduct {
  char *name;
  VelmInspectorParams inspector;
  guint most_queued;
  gboolean elsewhere;
  VelmProductChanged changed;
  gpointer user_data;
  GThread *opener, *thread;
  GAsyncQueue *tasks;         /* of Task */
  gint queued;                /* atomic: handed in and not done */
  gint on_way;                /* the thread's own: submitted and not done */
  Setup *setup;               /* the thread's own: NULL until one is open */
  VelmStatusCell status, llm; /* llm: of the server that place names */

  GMutex lock;
  GCond wished;
  char *model_path, *spec_path;
  char *remark;       /* why the model is not the one that it should be; or NULL */
  Files given;        /* what it was given, without a model where that is to come */
  char *given_sha256; /* of the given model, when it was as in given_status; or NULL */
  GStatBuf given_status;
  guint wish;    /* how often it was asked to open the model */
  guint settled; /* the last wish of which is known what came of it */
  char *failure; /* why that one failed; or NULL */
  gboolean ending;
  char *place;          /* NULL where no language model is asked */
  Setup *opened;        /* for the thread that inspects to take over */
  VelmProductText text; /* of the setup in use; without a model where there is none */
  VelmMadeBy made_by;   /* likewise */
};

const char *velm_product_get_name(const VelmProduct *product) { return product->name; }

void velm_product_text_clear(VelmProductText *text) {
  g_clear_pointer(&text->model, g_free);
  g_clear_pointer(&text->spec, g_free);
}

static void files_clear(Files *files) {
  g_free(files->model);
  g_free(files->spec);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Files, files_clear)

/* ---- state ---- */

static void set_state(VelmProduct *product, VelmState state, const char *reason) {
  if (velm_status_set(&product->status, state, reason))
    product->changed(product, product->user_data);
}

VelmStatus velm_product_get_status(VelmProduct *product) {
  return velm_status_get(&product->status);
}

gboolean velm_product_is_elsewhere(const VelmProduct *product) { return product->elsewhere; }

void velm_product_set_status(VelmProduct *product, VelmState state, const char *reason) {
  set_state(product, state, reason);
}

gboolean velm_product_get_llm(VelmProduct *product, char **place, VelmStatus *status) {
  g_mutex_lock(&product->lock);
  *place = g_strdup(product->place);
  g_mutex_unlock(&product->lock);
  if (*place)
    *status = velm_status_get(&product->llm);
  return *place != NULL;
}

guint velm_product_get_queued(VelmProduct *product) {
  return (guint)g_atomic_int_get(&product->queued);
}

VelmProductText velm_product_get_text(VelmProduct *product) {
  g_mutex_lock(&product->lock);
  VelmProductText text = {g_strdup(product->text.model), g_strdup(product->text.spec)};
  g_mutex_unlock(&product->lock);
  return text;
}

/* ---- opening ---- */

static void setup_free(Setup *setup) {
  if (!setup)
    return;
  velm_inspector_free(setup->inspector);
  velm_spec_free(setup->spec);
  velm_model_free(setup->model);
  velm_product_text_clear(&setup->text);
  velm_made_by_clear(&setup->made_by);
  g_free(setup);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Setup, setup_free)

/* Inspects a good part, for networks to be compiled and memory to be there before the line asks.
 * A model without one is warm enough. */
static void warm_up(Setup *setup) {
  g_autofree char *path = NULL;
  g_autoptr(GBytes) png = velm_model_has(setup->model, "detector.normal_png")
                              ? velm_model_get_bytes(setup->model, "detector.normal_png", NULL)
                              : NULL;
  int fd = png ? g_file_open_tmp("velm-warm-XXXXXX.png", &path, NULL) : -1;
  if (fd < 0)
    return;
  g_close(fd, NULL);
  if (velm_file_write(path, g_bytes_get_data(png, NULL), g_bytes_get_size(png), NULL))
    velm_inspection_free(velm_inspector_inspect(setup->inspector, path, NULL, NULL));
  g_unlink(path);
}

static char *spec_text_of(const Setup *setup) {
  if (setup->spec)
    return g_strdup(velm_spec_get_text(setup->spec));
  return velm_model_has(setup->model, "spec.text")
             ? g_strdup(velm_model_get_string(setup->model, "spec.text", NULL))
             : NULL;
}

/* @spec: (transfer full) (nullable). */
static Setup *open_with(const VelmProduct *product, const char *model, VelmSpec *spec,
                        GError **error) {
  g_autoptr(Setup) setup = g_new0(Setup, 1);
  VelmInspectorParams params = product->inspector;
  setup->spec = spec;
  g_autoptr(GBytes) bytes = velm_file_read(model, error);
  setup->model = bytes ? velm_model_parse(bytes, model, error) : NULL;
  if (!setup->model)
    return NULL;
  setup->made_by = velm_made_by_new(bytes, spec ? velm_spec_get_text(spec) : NULL);
  setup->inspector = velm_inspector_new(setup->model, setup->spec, &params, error);
  if (!setup->inspector)
    return NULL;
  setup->text = (VelmProductText){velm_model_describe(setup->model), spec_text_of(setup)};
  return g_steal_pointer(&setup);
}

/* @text: one of the product's, that change. */
static char *get_text(VelmProduct *product, char *const *text) {
  g_mutex_lock(&product->lock);
  char *copy = g_strdup(*text);
  g_mutex_unlock(&product->lock);
  return copy;
}

static void set_text(VelmProduct *product, char **text, const char *value) {
  g_mutex_lock(&product->lock);
  g_free(*text);
  *text = g_strdup(value);
  g_mutex_unlock(&product->lock);
}

char *velm_product_get_spec_path(VelmProduct *product) {
  return get_text(product, &product->spec_path);
}

void velm_product_set_spec_path(VelmProduct *product, const char *path) {
  set_text(product, &product->spec_path, path);
}

char *velm_product_get_given_model(VelmProduct *product) {
  return get_text(product, &product->given.model);
}

void velm_product_give(VelmProduct *product, const VelmProductFiles *files) {
  g_mutex_lock(&product->lock);
  files_clear(&product->given);
  product->given = (Files){g_strdup(files->model), g_strdup(files->spec), files->version};
  g_clear_pointer(&product->given_sha256, g_free);
  g_free(product->model_path);
  g_free(product->spec_path);
  product->model_path = g_strdup(files->model);
  product->spec_path = g_strdup(files->spec);
  g_mutex_unlock(&product->lock);
}

char *velm_product_get_given_sha256(VelmProduct *product, GError **error) {
  GStatBuf now;
  g_autofree char *given = velm_product_get_given_model(product);
  gboolean there = given && g_stat(given, &now) == 0;
  g_mutex_lock(&product->lock);
  gboolean known =
      there && product->given_sha256 && velm_file_is_same(&now, &product->given_status);
  char *sha256 = known ? g_strdup(product->given_sha256) : NULL;
  g_mutex_unlock(&product->lock);
  if (sha256)
    return sha256;
  if (!given)
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "%s has no model yet", product->name);
  if (!given || !(sha256 = velm_file_sha256(given, error)) || !there)
    return sha256;
  g_mutex_lock(&product->lock);
  g_free(product->given_sha256);
  product->given_sha256 = g_strdup(sha256);
  product->given_status = now;
  g_mutex_unlock(&product->lock);
  return sha256;
}

char *velm_product_get_model_path(VelmProduct *product) {
  return get_text(product, &product->model_path);
}

void velm_product_set_model_path(VelmProduct *product, const char *path, const char *remark) {
  set_text(product, &product->model_path, path);
  set_text(product, &product->remark, remark);
}

/* With the spec in the product's file, or the model's own. */
static Setup *open_files(const VelmProduct *product, const Files *files, GError **error) {
  VelmSpec *spec = files->spec ? velm_spec_load(files->spec, error) : NULL;
  return !files->spec || spec ? open_with(product, files->model, spec, error) : NULL;
}

/* The number is the plant's as long as the files are. Returns: (transfer full). */
static Files get_files(VelmProduct *product) {
  g_mutex_lock(&product->lock);
  const Files *given = &product->given;
  gboolean as_given = g_strcmp0(given->model, product->model_path) == 0 &&
                      g_strcmp0(given->spec, product->spec_path) == 0;
  Files files = {g_strdup(product->model_path), g_strdup(product->spec_path),
                 as_given ? given->version : 0};
  g_mutex_unlock(&product->lock);
  return files;
}

static Setup *open_setup(VelmProduct *product, const Files *files, guint wish, GError **error) {
  Setup *setup = open_files(product, files, error);
  if (!setup)
    return NULL;
  setup->made_by.version = files->version;
  setup->wish = wish;
  warm_up(setup);
  return setup;
}

VelmSpec *velm_product_read_spec(VelmProduct *product, GError **error) {
  g_autofree char *path = velm_product_get_spec_path(product);
  if (path)
    return velm_spec_load(path, error);
  g_auto(VelmProductText) text = velm_product_get_text(product);
  if (text.spec)
    return velm_spec_parse(text.spec, strlen(text.spec), "the model's spec", NULL, error);
  g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC, "%s has no spec: put one in use first",
              product->name);
  return NULL;
}

gboolean velm_product_try_spec(VelmProduct *product, const char *text, GError **error) {
  g_autofree char *model = velm_product_get_model_path(product);
  VelmSpec *spec = model ? velm_spec_parse(text, strlen(text), "the spec", NULL, error) : NULL;
  if (!model)
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "%s has no model yet", product->name);
  g_autoptr(Setup) setup = spec ? open_with(product, model, spec, error) : NULL;
  return setup != NULL;
}

gboolean velm_product_try_model(VelmProduct *product, const char *path, GError **error) {
  g_auto(Files) files = get_files(product);
  g_free(files.model);
  files.model = g_strdup(path);
  g_autoptr(Setup) setup = open_files(product, &files, error);
  return setup != NULL;
}

VelmInspectorParams velm_product_get_inspector_params(const VelmProduct *product) {
  return product->inspector;
}

/* ---- the thread that opens ---- */

static gboolean is_working(const VelmProduct *product) { return product->text.model != NULL; }

/* Returns: FALSE where it is to end. */
static gboolean wait_for_wish(VelmProduct *product, guint *wish) {
  g_mutex_lock(&product->lock);
  while (product->wish == *wish && !product->ending)
    g_cond_wait(&product->wished, &product->lock);
  *wish = product->wish;
  gboolean goes_on = !product->ending;
  g_mutex_unlock(&product->lock);
  return goes_on;
}

/* Leaves @setup for the thread that inspects, unless a later wish has come. */
static void hand_over(VelmProduct *product, Setup *setup, guint wish) {
  g_mutex_lock(&product->lock);
  if (product->wish == wish) {
    Setup *earlier = product->opened;
    product->opened = setup;
    setup = earlier;
  }
  g_mutex_unlock(&product->lock);
  setup_free(setup);
}

/* @failure: (nullable). */
static void settle(VelmProduct *product, guint wish, const char *failure) {
  g_mutex_lock(&product->lock);
  if (wish >= product->settled) {
    product->settled = wish;
    g_free(product->failure);
    product->failure = g_strdup(failure);
  }
  g_mutex_unlock(&product->lock);
}

static void note_failure(VelmProduct *product, guint wish, const GError *error) {
  g_mutex_lock(&product->lock);
  gboolean working = is_working(product);
  g_mutex_unlock(&product->lock);
  g_autofree char *still = g_strdup_printf("%s; the one in use stays", error->message);
  set_state(product, working ? VELM_STATE_DEGRADED : VELM_STATE_FAILED,
            working ? still : error->message);
  settle(product, wish, error->message);
}

static gpointer open_in_thread(gpointer data) {
  VelmProduct *product = data;
  for (guint wish = 0; wait_for_wish(product, &wish);) {
    g_autoptr(GError) error = NULL;
    g_auto(Files) files = get_files(product);
    if (!files.model) { /* it is to come */
      settle(product, wish, NULL);
      continue;
    }
    Setup *setup = open_setup(product, &files, wish, &error);
    if (setup)
      hand_over(product, setup, wish);
    else
      note_failure(product, wish, error);
  }
  return NULL;
}

/* The spec of a product that is inspected elsewhere, for its classes, unless a later wish has come.
 */
static gboolean read_classes(VelmProduct *product, guint wish, GError **error) {
  g_autofree char *path = velm_product_get_spec_path(product);
  g_autoptr(VelmSpec) spec = path ? velm_spec_load(path, error) : NULL;
  if (path && !spec)
    return FALSE;
  g_mutex_lock(&product->lock);
  if (product->wish == wish) {
    g_free(product->text.spec);
    product->text.spec = spec ? g_strdup(velm_spec_get_text(spec)) : NULL;
  }
  g_mutex_unlock(&product->lock);
  return TRUE;
}

static void reload_classes(VelmProduct *product, guint wish) {
  g_autoptr(GError) error = NULL;
  read_classes(product, wish, &error);
  settle(product, wish, error ? error->message : NULL);
  product->changed(product, product->user_data);
}

void velm_product_reload(VelmProduct *product) {
  g_mutex_lock(&product->lock);
  guint wish = ++product->wish;
  g_cond_signal(&product->wished);
  g_mutex_unlock(&product->lock);
  if (product->elsewhere)
    reload_classes(product, wish);
}

VelmOpening velm_product_get_opening(VelmProduct *product, char **why) {
  g_mutex_lock(&product->lock);
  gboolean settled = product->settled == product->wish;
  *why = settled ? g_strdup(product->failure) : NULL;
  g_mutex_unlock(&product->lock);
  if (!settled)
    return VELM_OPENING_UNDER_WAY;
  return *why ? VELM_OPENING_FAILED : VELM_OPENING_DONE;
}

VelmMadeBy velm_product_get_made_by(VelmProduct *product) {
  g_mutex_lock(&product->lock);
  VelmMadeBy made_by = velm_made_by_copy(&product->made_by);
  g_mutex_unlock(&product->lock);
  return made_by;
}

void velm_product_set_waiting(VelmProduct *product, const char *reason) {
  g_autofree char *given = velm_product_get_given_model(product);
  if (!given && !product->elsewhere)
    set_state(product, VELM_STATE_STARTING, reason);
}

/* ---- the thread that inspects ---- */

static void task_free(Task *task) {
  g_free(task->path);
  g_free(task);
}

static void take_result(VelmInspection *inspection, const GError *error, gpointer user_data) {
  Task *task = user_data;
  task->product->on_way--;
  velm_product_give_place(task->product);
  if (inspection) /* its setup is in use until all its images are done */
    inspection->made_by = velm_made_by_copy(&task->product->setup->made_by);
  task->done(inspection, error, task->user_data);
  task_free(task);
}

/* Returns: whether it was another. */
static gboolean set_place(VelmProduct *product, const char *place) {
  g_mutex_lock(&product->lock);
  gboolean changed = g_strcmp0(product->place, place) != 0;
  if (changed) {
    g_free(product->place);
    product->place = g_strdup(place);
  }
  g_mutex_unlock(&product->lock);
  return changed;
}

/* It is looked for also while no image comes: who looks at the station is to see when it is back.
 */
static void watch_llm(VelmProduct *product) {
  static const VelmState states[] = {[VELM_LLM_UNTRIED] = VELM_STATE_STARTING,
                                     [VELM_LLM_UP] = VELM_STATE_READY,
                                     [VELM_LLM_DOWN] = VELM_STATE_DEGRADED};
  VelmClassifierServer server = {0};
  gboolean asks = velm_inspector_watch(product->setup->inspector, &server);
  gboolean changed = asks && velm_status_set(&product->llm, states[server.state], server.why);
  if (set_place(product, asks ? server.name : NULL) || changed)
    product->changed(product, product->user_data);
}

/* The inspector that is in use, after it has done what it has, gives way to the one that was
 * opened. */
static void take_over(VelmProduct *product) {
  g_mutex_lock(&product->lock);
  Setup *setup = g_steal_pointer(&product->opened);
  g_mutex_unlock(&product->lock);
  if (!setup)
    return;
  while (product->on_way > 0)
    velm_inspector_iterate(product->setup->inspector, BUSY_WAIT_MS);
  setup_free(product->setup);
  product->setup = setup;
  g_mutex_lock(&product->lock);
  velm_product_text_clear(&product->text);
  product->text = (VelmProductText){g_strdup(setup->text.model), g_strdup(setup->text.spec)};
  velm_made_by_clear(&product->made_by);
  product->made_by = velm_made_by_copy(&setup->made_by);
  char *remark = g_strdup(product->remark);
  g_mutex_unlock(&product->lock);
  watch_llm(product);
  set_state(product, remark ? VELM_STATE_DEGRADED : VELM_STATE_READY, remark);
  g_free(remark);
  settle(product, setup->wish, NULL);
}

/* Returns: NULL where there is none to submit now. */
static Task *next_task(VelmProduct *product) {
  if (!product->setup)
    g_usleep(BUSY_WAIT_MS * 1000);
  if (!product->setup ||
      product->on_way >= (gint)velm_inspector_capacity(product->setup->inspector))
    return NULL;
  return product->on_way ? g_async_queue_try_pop(product->tasks)
                         : g_async_queue_timeout_pop(product->tasks, IDLE_WAIT_US);
}

/* Images that wait for a model that will not do are given back. */
static void give_back(VelmProduct *product) {
  g_autoptr(GError) error = NULL;
  g_auto(VelmStatus) status = velm_status_get(&product->status);
  if (status.state == VELM_STATE_FAILED)
    g_set_error(&error, VELM_ERROR, VELM_ERROR_CANCELLED, "%s", status.reason);
  Task *task;
  while (error && (task = g_async_queue_try_pop(product->tasks))) {
    product->on_way++;
    take_result(NULL, error, task);
  }
}

static gboolean goes_on(VelmProduct *product) {
  g_mutex_lock(&product->lock);
  gboolean ending = product->ending;
  g_mutex_unlock(&product->lock);
  return !ending || g_atomic_int_get(&product->queued) > 0;
}

static gpointer inspect_in_thread(gpointer data) {
  VelmProduct *product = data;
  while (goes_on(product)) {
    take_over(product);
    if (!product->setup)
      give_back(product);
    Task *task = next_task(product);
    if (task) {
      product->on_way++;
      velm_inspector_submit(product->setup->inspector, task->path, NULL, take_result, task);
    }
    if (product->on_way)
      velm_inspector_iterate(product->setup->inspector, task ? 0 : BUSY_WAIT_MS);
    if (product->setup)
      watch_llm(product);
  }
  return NULL;
}

/* ---- the product ---- */

gboolean velm_product_check_name(const char *name, GError **error) {
  gsize length = strlen(name);
  if (length >= 1 && length <= VELM_PRODUCT_MOST_NAME &&
      strspn(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-") == length)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "\"%s\": a product's name has letters, digits, - and _, %d at most", name,
              VELM_PRODUCT_MOST_NAME);
  return FALSE;
}

VelmProduct *velm_product_new(const VelmProductParams *params, VelmProductChanged changed,
                              gpointer user_data, GError **error) {
  if (!velm_product_check_name(params->name, error))
    return NULL;
  VelmProduct *product = g_new0(VelmProduct, 1);
  product->name = g_strdup(params->name);
  product->given = (Files){g_strdup(params->model), g_strdup(params->spec), 0};
  product->model_path = g_strdup(params->model);
  product->spec_path = g_strdup(params->spec);
  product->inspector = params->inspector;
  product->most_queued = params->most_queued;
  product->elsewhere = params->elsewhere;
  product->changed = changed;
  product->user_data = user_data;
  velm_status_cell_init(&product->status, VELM_STATE_STARTING);
  velm_status_cell_init(&product->llm, VELM_STATE_STARTING);
  product->wish = 1;
  g_mutex_init(&product->lock);
  g_cond_init(&product->wished);
  product->tasks = g_async_queue_new();
  if (product->elsewhere && !read_classes(product, product->wish, error)) {
    velm_product_free(product);
    return NULL;
  }
  return product;
}

void velm_product_start(VelmProduct *product) {
  if (product->elsewhere)
    return;
  product->opener = g_thread_new("opener", open_in_thread, product);
  product->thread = g_thread_new("product", inspect_in_thread, product);
}

/* What waits for a model that is being opened gets it. */
void velm_product_end(VelmProduct *product) {
  if (!product->thread)
    return;
  g_mutex_lock(&product->lock);
  product->ending = TRUE;
  g_cond_signal(&product->wished);
  g_mutex_unlock(&product->lock);
  g_thread_join(product->opener);
  g_mutex_lock(&product->lock);
  gboolean opened = product->opened != NULL;
  g_mutex_unlock(&product->lock);
  g_auto(VelmStatus) status = velm_status_get(&product->status);
  if (status.state == VELM_STATE_STARTING && !opened)
    velm_status_set(&product->status, VELM_STATE_FAILED, "the station is stopping");
  g_thread_join(g_steal_pointer(&product->thread));
}

void velm_product_free(VelmProduct *product) {
  if (!product)
    return;
  velm_product_end(product);
  setup_free(product->opened);
  setup_free(product->setup);
  g_async_queue_unref(product->tasks);
  velm_product_text_clear(&product->text);
  g_mutex_clear(&product->lock);
  g_cond_clear(&product->wished);
  g_free(product->name);
  files_clear(&product->given);
  g_free(product->failure);
  velm_made_by_clear(&product->made_by);
  g_free(product->model_path);
  g_free(product->spec_path);
  g_free(product->remark);
  g_free(product->given_sha256);
  g_free(product->place);
  velm_status_cell_clear(&product->status);
  velm_status_cell_clear(&product->llm);
  g_free(product);
}

gboolean velm_product_take_place(VelmProduct *product, GError **error) {
  if (g_atomic_int_add(&product->queued, 1) < (gint)product->most_queued)
    return TRUE;
  g_atomic_int_add(&product->queued, -1);
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "%u images of %s wait already",
              product->most_queued, product->name);
  return FALSE;
}

void velm_product_give_place(VelmProduct *product) { g_atomic_int_add(&product->queued, -1); }

gboolean velm_product_inspect(VelmProduct *product, const char *path, VelmProductDone done,
                              gpointer user_data, GError **error) {
  g_auto(VelmStatus) status = velm_status_get(&product->status);
  if (status.state == VELM_STATE_FAILED) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "%s", status.reason);
    return FALSE;
  }
  if (!velm_product_take_place(product, error))
    return FALSE;
  Task *task = g_new(Task, 1);
  *task = (Task){g_strdup(path), done, user_data, product};
  g_async_queue_push(product->tasks, task);
  return TRUE;
}
