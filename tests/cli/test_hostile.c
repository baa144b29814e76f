/* What the command does with wrong input: one clear line, a failing exit code, and the rest of the
 * batch done. */
#include "cli/command.h"
#include "core/file.h"
#include "core/model.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/procedural.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <vips/vips.h>

/* ---- making files ---- */

static void put(const char *name, gconstpointer data, gsize size) {
  g_autofree char *path = command_path(name);
  g_autoptr(GError) error = NULL;
  velm_file_write(path, data, size, &error);
  g_assert_no_error(error);
}

static void put_text(const char *name, const char *text) { put(name, text, strlen(text)); }

static void make_folder(const char *name) {
  g_autofree char *path = command_path(name);
  g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
}

/* The start of file @from as file @name. */
static void put_start(const char *name, const char *from, gsize size) {
  g_autoptr(GBytes) bytes = command_read(from);
  g_assert_cmpuint(size, <, g_bytes_get_size(bytes));
  put(name, g_bytes_get_data(bytes, NULL), size);
}

/* Takes @image. */
static void save(VipsImage *image, const char *name) {
  g_autofree char *path = command_path(name);
  g_assert_nonnull(image);
  if (vips_image_write_to_file(image, path, NULL) != 0)
    g_error("%s: %s", path, vips_error_buffer());
  g_object_unref(image);
}

/* A made-up part with a defect, as the formats below hold it. */
static VipsImage *draw(void) {
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = 128;
  g_autoptr(VelmImage) image = velm_procedural_draw(&params, 500, 0, "missing_hole", NULL);
  VipsImage *out =
      vips_image_new_from_memory_copy(image->pixels, 128 * 128 * 3, 128, 128, 3, VIPS_FORMAT_UCHAR);
  out->Type = VIPS_INTERPRETATION_sRGB;
  return out;
}

static VipsImage *take_16_bit(VipsImage *in) {
  VipsImage *scaled = NULL, *out = NULL;
  g_assert_cmpint(vips_linear1(in, &scaled, 257, 0, NULL), ==, 0);
  g_assert_cmpint(vips_cast(scaled, &out, VIPS_FORMAT_USHORT, NULL), ==, 0);
  out->Type = VIPS_INTERPRETATION_RGB16;
  g_object_unref(in);
  g_object_unref(scaled);
  return out;
}

static VipsImage *take_alpha(VipsImage *in) {
  VipsImage *out = NULL;
  g_assert_cmpint(vips_addalpha(in, &out, NULL), ==, 0);
  g_object_unref(in);
  return out;
}

static VipsImage *take_grey(VipsImage *in) {
  VipsImage *out = NULL;
  g_assert_cmpint(vips_colourspace(in, &out, VIPS_INTERPRETATION_B_W, NULL), ==, 0);
  g_object_unref(in);
  return out;
}

/* Inks are what is missing of the light. */
static VipsImage *take_cmyk(VipsImage *in) {
  VipsImage *inks = NULL, *bytes = NULL, *out = NULL;
  g_assert_cmpint(vips_invert(in, &inks, NULL), ==, 0);
  g_assert_cmpint(vips_bandjoin_const1(inks, &bytes, 0, NULL), ==, 0);
  g_assert_cmpint(vips_cast(bytes, &out, VIPS_FORMAT_UCHAR, NULL), ==, 0);
  out->Type = VIPS_INTERPRETATION_CMYK;
  g_object_unref(in);
  g_object_unref(inks);
  g_object_unref(bytes);
  return out;
}

static VipsImage *black(int width, int height) {
  VipsImage *out = NULL;
  vips_black(&out, width, height, NULL);
  return out;
}

/* ---- images ---- */

/* What a format holds is the same part, and so is its score. */
static void test_formats(void) {
  static const char *const names[] = {
      "formats/8bit.png",      "formats/16bit.png", "formats/alpha.png", "formats/grey.png",
      "formats/greyalpha.png", "formats/cmyk.jpg",  "formats/colour.tif"};
  make_folder("formats");
  save(draw(), names[0]);
  save(take_16_bit(draw()), names[1]);
  save(take_alpha(draw()), names[2]);
  save(take_grey(draw()), names[3]);
  save(take_alpha(take_grey(draw())), names[4]);
  save(take_cmyk(draw()), names[5]);
  save(draw(), names[6]);
  g_autoptr(Outcome) outcome = velm("inspect", "-m", FITTED, "--json", names[0], names[1], names[2],
                                    names[3], names[4], names[5], names[6]);
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  double scores[G_N_ELEMENTS(names)];
  g_assert_cmpuint(records->len, ==, G_N_ELEMENTS(names));
  for (guint i = 0; i < records->len; i++) {
    JsonObject *record = record_at(records, i);
    g_assert_cmpstr(json_object_get_string_member(record, "image"), ==, names[i]);
    scores[i] = json_object_get_double_member(record, "score");
  }
  g_assert_cmpfloat(scores[1], ==, scores[0]);
  g_assert_cmpfloat(scores[2], ==, scores[0]);
  g_assert_cmpfloat(scores[4], ==, scores[3]);
  g_assert_cmpfloat(scores[6], ==, scores[0]);
  g_assert_cmpfloat_with_epsilon(scores[3], scores[0], 0.5 * scores[0]);
  g_assert_cmpfloat_with_epsilon(scores[5], scores[0], 0.5 * scores[0]);
}

static void test_one_pixel(void) {
  save(black(1, 1), "one.png");
  save(black(1, 3000), "line.png");
  g_autoptr(Outcome) outcome =
      velm("inspect", "-m", TAUGHT, "--json", "--out", "one", "one.png", "line.png");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, 2);
  /* Nothing of it is like a part. */
  g_assert_true(json_object_get_boolean_member(record_at(records, 0), "anomalous"));
  g_assert_true(json_object_get_boolean_member(record_at(records, 1), "anomalous"));
}

static void test_fit_one_pixel(void) {
  make_folder("pixels");
  for (guint i = 0; i < 8; i++) {
    g_autofree char *name = g_strdup_printf("pixels/%u.png", i);
    save(black(1, 1), name);
  }
  g_autoptr(Outcome) outcome =
      velm("fit", "pixels", "-o", "pixels.velm", "--backbone", "lite2", "--size", "64");
  g_assert_true(outcome->code == 0 || outcome->code == 1);
  if (outcome->code == 1)
    assert_refused(outcome, 1, "pixels");
}

/* A few kilobytes that would be 1.2 gigabytes of pixels. */
static void test_bomb(void) {
  VipsImage *image = black(20000, 20000);
  g_autofree char *path = command_path("bomb.png");
  g_assert_cmpint(vips_pngsave(image, path, "bitdepth", 1, NULL), ==, 0);
  g_object_unref(image);
  gint64 start = g_get_monotonic_time();
  g_autoptr(Outcome) outcome = velm("inspect", "-m", FITTED, "--json", "bomb.png");
  assert_refused(outcome, 1, "bomb.png: 20000 x 20000 pixels are more than the limit");
  g_assert_cmpint(g_get_monotonic_time() - start, <, 60 * G_USEC_PER_SEC);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  assert_keys(record_at(records, 0), "image error");
  g_autoptr(Outcome) smaller =
      velm("inspect", "-m", FITTED, "--max-megapixels", "1", "--json", "bomb.png");
  assert_refused(smaller, 1, "limit of 1.0 megapixels");
}

static void make_broken_images(void) {
  VipsImage *part = draw();
  g_autofree char *jpeg = command_path("whole.jpg");
  g_assert_cmpint(vips_jpegsave(part, jpeg, "Q", 95, NULL), ==, 0);
  save(part, "whole.png");
  put_start("half.jpg", "whole.jpg", 3000);
  put_start("half.png", "whole.png", 9000);
  put_start("header.png", "whole.png", 40);
  put_text("empty.png", "");
  put_text("text.png", "this is no image\n");
}

static void test_broken_images(void) {
  static const char *const names[] = {"half.jpg", "half.png",   "header.png", "empty.png",
                                      "text.png", "absent.png", "half.png/in"};
  make_broken_images();
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *start = g_strconcat(names[i], ": ", NULL);
    g_autoptr(Outcome) outcome = velm("inspect", "-m", FITTED, "--json", names[i]);
    assert_refused(outcome, 1, start);
    g_autoptr(GPtrArray) records = parse_records(outcome->out);
    g_assert_cmpuint(records->len, ==, 1);
    assert_keys(record_at(records, 0), "image error");
    g_assert_cmpstr(json_object_get_string_member(record_at(records, 0), "image"), ==, names[i]);
  }
  g_autoptr(Outcome) text = velm("inspect", "-m", FITTED, "half.jpg");
  assert_refused(text, 1, "half.jpg: ");
  g_assert_cmpstr(text->out, ==, "");
}

/* The batch of 40 goes on past its three broken images. */
static void test_batch(void) {
  make_broken_images();
  make_folder("batch");
  for (guint i = 0; i < 40; i++) {
    g_autofree char *name = g_strdup_printf("batch/%02u.png", i);
    g_autoptr(GBytes) bytes = command_read(i == 0    ? "half.png"
                                           : i == 17 ? "text.png"
                                                     : "whole.png");
    put(name, g_bytes_get_data(bytes, NULL), i == 39 ? 0 : g_bytes_get_size(bytes));
  }
  g_autoptr(Outcome) outcome =
      velm("inspect", "-m", FITTED, "--json", "--out", "batch_pages", "batch");
  g_assert_cmpint(outcome->code, ==, 1);
  g_auto(GStrv) lines = g_strsplit(outcome->err, "\n", -1);
  g_assert_cmpuint(g_strv_length(lines), ==, 5);
  g_assert_cmpstr(lines[3], ==, "velm: 3 of 40 images could not be inspected in full");
  g_assert_null(strpbrk(outcome->err, "\r\033"));
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, 40);
  for (guint i = 0; i < 40; i++) {
    g_autofree char *name = g_strdup_printf("batch/%02u.png", i);
    gboolean broken = i == 0 || i == 17 || i == 39;
    g_assert_cmpstr(json_object_get_string_member(record_at(records, i), "image"), ==, name);
    g_assert_cmpint(json_object_has_member(record_at(records, i), "error"), ==, broken);
  }
  g_autoptr(GBytes) page = command_read("batch_pages/report.html");
  g_autofree char *html = g_strndup(g_bytes_get_data(page, NULL), g_bytes_get_size(page));
  assert_contains(html, "batch/17.png");
}

static void test_folders(void) {
  make_folder("hollow/image.png");
  g_autoptr(Outcome) empty = velm("inspect", "-m", FITTED, "hollow");
  assert_refused(empty, 1, "hollow: holds no image");
  g_autoptr(Outcome) image = velm("inspect", "-m", FITTED, "--json", "hollow/image.png");
  assert_refused(image, 1, "hollow/image.png: holds no image");
  g_autoptr(Outcome) fit = velm("fit", "hollow", "-o", "x.velm");
  assert_refused(fit, 1, "hollow: holds no image");
  g_autoptr(Outcome) absent = velm("fit", "absent", "-o", "x.velm");
  assert_refused(absent, 1, "absent: no such folder");
  g_autoptr(Outcome) file = velm("evaluate", SPEC, "-m", FITTED);
  assert_refused(file, 1, SPEC ": is a file, not a folder");
  g_autoptr(Outcome) no_test = velm("evaluate", PARTS "/test/good", "-m", FITTED);
  assert_refused(no_test, 1, PARTS "/test/good: has no image in test/");
}

/* ---- models ---- */

static void assert_no_model(const char *name, const char *text) {
  g_autoptr(Outcome) info = velm("info", name);
  assert_refused(info, 1, text);
  g_assert_cmpstr(info->out, ==, "");
}

static void test_model_truncated(void) {
  g_autoptr(GBytes) model = command_read(TAUGHT);
  gsize whole = g_bytes_get_size(model);
  /* In the magic; in and at the end of the header; in the payload; its last byte. */
  const gsize sizes[] = {0, 5, 8, 20, 63, 64, 100, whole / 2, whole - 1};
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    put("short.velm", g_bytes_get_data(model, NULL), sizes[i]);
    assert_no_model("short.velm", sizes[i] < 8 ? "short.velm: not a velm model file"
                                               : "short.velm: the model file is truncated");
  }
  g_autoptr(Outcome) inspect = velm("inspect", "-m", "short.velm", PARTS "/test/good");
  assert_refused(inspect, 1, "short.velm: the model file is truncated");
  g_autoptr(Outcome) teach = velm("teach", PARTS, "-m", "short.velm", "-s", SPEC);
  assert_refused(teach, 1, "short.velm: the model file is truncated");
  g_autoptr(Outcome) evaluate = velm("evaluate", PARTS, "-m", "short.velm");
  assert_refused(evaluate, 1, "short.velm: the model file is truncated");
}

/* One bit changed, or one byte more. */
static void test_model_damaged(void) {
  g_autoptr(GBytes) model = command_read(TAUGHT);
  gsize size = g_bytes_get_size(model);
  g_autofree guint8 *data = g_malloc0(size + 1);
  memcpy(data, g_bytes_get_data(model, NULL), size);
  put("damaged.velm", data, size + 1);
  assert_no_model("damaged.velm", "damaged.velm: the model file has bytes after its end");
  const gsize places[] = {30, 64, size / 2, size - 1};
  for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
    data[places[i]] ^= 0x10;
    put("damaged.velm", data, size);
    assert_no_model("damaged.velm", "damaged.velm: the model file is damaged");
    data[places[i]] ^= 0x10;
  }
  data[8] = 99;
  put("damaged.velm", data, size);
  assert_no_model("damaged.velm", "damaged.velm: the model file is of another version");
}

static void test_model_foreign(void) {
  assert_no_model(SPEC, SPEC ": not a velm model file");
  assert_no_model(PARTS, PARTS ": is a folder, not a file");
  assert_no_model("absent.velm", "absent.velm: no such file");
}

/* The values of the model file @name: a variant dictionary. */
static GVariant *read_values(const char *name) {
  g_autoptr(GBytes) file = command_read(name);
  g_autoptr(GBytes) payload = g_bytes_new_from_bytes(file, 64, g_bytes_get_size(file) - 64);
  return g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, payload, FALSE));
}

/* Bytes of all ones are a float that is not a number. */
static GVariant *not_numbers(gsize n) {
  g_autofree guint32 *floats = g_new(guint32, n + 1);
  memset(floats, 0xff, n * sizeof *floats);
  return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, floats, n, sizeof *floats);
}

/* A value of the type of @value that makes no sense, or NULL. There are three. */
static GVariant *nonsense(GVariant *value, guint which) {
  static const double numbers[] = {NAN, -1, 0};
  static const gint64 integers[] = {G_MAXINT64, -1, 0};
  static const char *const strings[] = {"", "nonsense", "../../nonsense"};
  const char *type = g_variant_get_type_string(value);
  if (g_str_equal(type, "d"))
    return g_variant_new_double(numbers[which]);
  if (g_str_equal(type, "x"))
    return g_variant_new_int64(integers[which]);
  if (g_str_equal(type, "au"))
    return not_numbers(which == 2 ? g_variant_n_children(value) : which);
  if (g_str_equal(type, "s"))
    return g_variant_new_string(strings[which]);
  if (g_str_equal(type, "as"))
    return g_variant_new_strv(strings, which);
  return NULL;
}

/* The model file @name with another value for @key; without it where @value is NULL. */
static VelmModel *load_with(const char *name, const char *key, GVariant *value) {
  g_autofree char *path = command_path(name);
  g_autoptr(GError) error = NULL;
  VelmModel *model = velm_model_load(path, &error);
  g_assert_no_error(error);
  if (value)
    velm_model_set(model, key, value);
  else
    velm_model_remove_prefix(model, key);
  return model;
}

/* Whether @model is refused. One that is not finds the part anomalous, whatever else it says. */
static gboolean is_refused(VelmModel *model, const char *image) {
  g_autoptr(GError) error = NULL;
  VelmInspectorParams params = velm_inspector_params_default();
  g_autoptr(VelmInspector) inspector = velm_inspector_new(model, NULL, &params, &error);
  g_autoptr(VelmInspection) inspection =
      inspector ? velm_inspector_inspect(inspector, image, NULL, &error) : NULL;
  if (inspection) {
    g_assert_no_error(error);
    g_assert_true(velm_inspection_get_anomalous(inspection));
    return FALSE;
  }
  g_assert_nonnull(error);
  g_assert_cmpint(error->domain, ==, VELM_ERROR);
  g_assert_null(strpbrk(error->message, "\r\n"));
  return TRUE;
}

/* Whether only adding images reads it. */
static gboolean is_for_adding(const char *key) {
  static const char *const keys[] = {"patchcore.bank_fitted",  "patchcore.image_digests",
                                     "patchcore.part_names",   "patchcore.false_alarms",
                                     "patchcore.early_scores", NULL};
  return g_strv_contains(keys, key) || g_str_has_prefix(key, "patchcore.coverage.");
}

/* A model whose network is compiled in no time. */
static void fit_small(const char *name) {
  put("network.xml", network_image_ir, strlen(network_image_ir));
  put("network.bin", network_image_weights, sizeof network_image_weights);
  g_autoptr(Outcome) fit = velm("fit", PARTS, "-o", name, "--backbone", "network.xml", "--layers",
                                "eighth@3,eighth@5", "--size", "128");
  assert_success(fit);
}

/* The checksum is right, the content is not: another velm wrote it, or an attacker. Not by the
 * command, and with a small network: a hundred models are opened. */
static void test_model_values(void) {
  save(black(128, 128), "black.png");
  g_autofree char *image = command_path("black.png");
  fit_small("small.velm");
  g_autoptr(GVariant) values = read_values("small.velm");
  guint n_refused = 0, n_keys = 0;
  GVariantIter iter;
  const char *key;
  GVariant *value;
  g_variant_iter_init(&iter, values);
  while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
    n_keys += is_for_adding(key) ? 0 : 1;
    for (guint wrong = 0; wrong < 4; wrong++) {
      /* The layers after the first are read as the first is. */
      if (g_str_has_suffix(key, ".1") || g_str_has_suffix(key, ".2"))
        break;
      GVariant *odd = wrong ? nonsense(value, wrong - 1) : NULL;
      if (wrong && !odd)
        break;
      g_test_message("%s, %u", key, wrong);
      g_autoptr(VelmModel) model = load_with("small.velm", key, odd);
      n_refused += is_refused(model, image);
    }
  }
  /* The rest is for people, or for the language model. */
  g_assert_cmpuint(n_refused, >, n_keys);
}

static void test_backbone(void) {
  make_folder("no_models");
  g_autofree char *none = command_path("no_models");
  g_autoptr(Outcome) absent =
      velm_with(&((CommandSettings){.models = none}), "inspect", "-m", FITTED, PARTS "/test/good");
  assert_refused(absent, 1, "no_models/lite2.onnx: no such backbone");
  g_autoptr(Outcome) fit = velm_with(&((CommandSettings){.models = none}), "fit", PARTS, "-o",
                                     "x.velm", "--backbone", "lite2");
  assert_refused(fit, 1, "no_models/lite2.onnx: no such backbone");
  make_folder("other_models");
  put_text("other_models/lite2.onnx", "no network");
  g_autofree char *other = command_path("other_models");
  g_autoptr(Outcome) inspect =
      velm_with(&((CommandSettings){.models = other}), "inspect", "-m", FITTED, PARTS "/test/good");
  assert_refused(inspect, 1, "is another network than the one that the model was fitted with");
  g_autoptr(Outcome) foreign = velm_with(&((CommandSettings){.models = other}), "fit", PARTS, "-o",
                                         "x.velm", "--backbone", "lite2");
  assert_refused(foreign, 1, "other_models/lite2.onnx");
}

/* ---- specs ---- */

static void test_spec_class_without_images(void) {
  put_text("rust.yaml", "object: disc\nnormal: plain\nclasses:\n"
                        "  dent: {description: a hollow}\n  rust: {description: brown}\n");
  g_autoptr(GBytes) before = command_read(FITTED);
  g_autoptr(Outcome) teach = velm("teach", PARTS, "-m", FITTED, "-s", "rust.yaml");
  assert_refused(teach, 1, "the spec's class \"rust\" has no examples");
  g_autoptr(GBytes) after = command_read(FITTED);
  g_assert_true(g_bytes_equal(before, after));
  g_autoptr(Outcome) evaluate =
      velm("evaluate", PARTS, "-m", FITTED, "-s", "rust.yaml", "--shots", "2");
  assert_refused(evaluate, 1, "the spec's class \"rust\" has no image in test/rust");
}

static void test_spec_mistake(void) {
  put_text("wrong.yaml", "object: disc\nnormal: plain\nclasses:\n"
                         "  dent: {description: a hollow, severity: awful}\n");
  g_autoptr(Outcome) teach = velm("teach", PARTS, "-m", FITTED, "-s", "wrong.yaml");
  assert_refused(teach, 1, "wrong.yaml:4:");
  g_autoptr(Outcome) inspect =
      velm("inspect", "-m", FITTED, "-s", "wrong.yaml", PARTS "/test/good");
  assert_refused(inspect, 1, "wrong.yaml:4:");
  g_autoptr(Outcome) evaluate = velm("evaluate", PARTS, "-m", FITTED, "-s", "wrong.yaml");
  assert_refused(evaluate, 1, "wrong.yaml:4:");
  g_autoptr(Outcome) absent = velm("inspect", "-m", FITTED, "-s", "no.yaml", PARTS "/test/good");
  assert_refused(absent, 1, "no.yaml: no such file");
  g_autoptr(Outcome) check = velm("spec", "check", "wrong.yaml", SPEC);
  g_assert_cmpint(check->code, ==, 1);
  assert_contains(check->out, "wrong.yaml:4:");
  assert_contains(check->out, SPEC ": OK: ");
}

/* ---- output ---- */

static void test_unwritable(void) {
  save(draw(), "whole.png");
  g_autoptr(Outcome) fit = velm("fit", PARTS, "-o", "absent/x.velm", "--backbone", "lite2");
  assert_refused(fit, 1, "absent/x.velm: ");
  g_autoptr(Outcome) folder = velm("fit", PARTS, "-o", PARTS, "--backbone", "lite2");
  assert_refused(folder, 1, PARTS ": ");
  g_autoptr(Outcome) out = velm("inspect", "-m", FITTED, "--out", SPEC, "whole.png");
  assert_refused(out, 1, SPEC ": the folder cannot be made");
  g_autoptr(Outcome) below = velm("inspect", "-m", FITTED, "--out", SPEC "/below", "whole.png");
  assert_refused(below, 1, SPEC "/below: the folder cannot be made");
}

/* A full disk must not look like success. */
static void test_stdout_full(void) {
  if (!g_file_test("/dev/full", G_FILE_TEST_EXISTS)) {
    g_test_skip("there is no /dev/full");
    return;
  }
  save(draw(), "whole.png");
  const CommandSettings full = {.out = "/dev/full"};
  const char *const commands[][8] = {
      {"inspect", "-m", FITTED, "whole.png", NULL},
      {"inspect", "-m", FITTED, "whole.png", "--json", NULL},
      {"evaluate", PARTS, "-m", FITTED, "--json", NULL},
      {"info", TAUGHT, NULL},
      {"spec", "check", SPEC, NULL},
      {"inspect", "--help", NULL},
      {"--help", NULL},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    g_autoptr(Outcome) outcome = command_run(&full, commands[i]);
    assert_refused(outcome, 1, "cannot be written");
  }
}

/* ---- the command line ---- */

static void test_usage(void) {
  static const struct {
    const char *text; /* on stderr */
    const char *arguments[10];
  } cases[] = {
      {"no command \"frobnicate\"; velm --help lists them", {"frobnicate"}},
      {"no command \"--frobnicate\"", {"--frobnicate"}},
      {"usage: velm fit ", {"fit"}},
      {"velm fit: name the model file to write with -o", {"fit", PARTS}},
      {"Unknown option --frobnicate", {"fit", PARTS, "--frobnicate"}},
      {"usage: velm fit ", {"fit", PARTS, "more", "-o", "x.velm"}},
      {"--size", {"fit", PARTS, "-o", "x.velm", "--size", "many"}},
      {"image size 65: lite2 takes",
       {"fit", PARTS, "-o", "x.velm", "--backbone", "lite2", "--size", "65"}},
      {"usage: velm teach ", {"teach"}},
      {"velm teach: needs -m MODEL.velm and -s SPEC.yaml", {"teach", PARTS}},
      {"--shots of 0 or more", {"teach", PARTS, "-m", FITTED, "-s", SPEC, "--shots=-1"}},
      {"usage: velm inspect ", {"inspect"}},
      {"velm inspect: name the model with -m", {"inspect", PARTS}},
      {"Unknown option -z", {"inspect", "-z"}},
      {"no classifier \"frobnicate\"; there are: ",
       {"inspect", "-m", FITTED, "--classifier", "frobnicate", PARTS "/test/good"}},
      {"no server; give --endpoint URL",
       {"inspect", "-m", TAUGHT, "--classifier", "mllm", PARTS "/test/good"}},
      {"usage: velm evaluate ", {"evaluate"}},
      {"name the model with -m", {"evaluate", PARTS}},
      {"no detector \"odd\" here; there are: patchcore, oracle, heatmaps:FOLDER, OTHER.velm",
       {"evaluate", PARTS, "-m", FITTED, "--detector", "odd"}},
      {"no classifier \"odd\"; there are: ",
       {"evaluate", PARTS, "-m", FITTED, "--classifier", "fewshot,odd", "--shots", "2"}},
      {"classifier mllm-XX: the prompt has no part \"XX\"; there are: RI, VP, ND, AD, CS",
       {"evaluate", PARTS, "-m", FITTED, "-s", SPEC, "--classifier", "mllm-XX"}},
      {"only the few-shot classifier is taught anew",
       {"evaluate", PARTS, "-m", FITTED, "--shots", "2", "--classifier", "mllm"}},
      {"what follows the @ is no threshold",
       {"evaluate", PARTS, "-m", FITTED, "--detector", "heatmaps:maps@high"}},
      {"usage: velm evaluate compare RUN RUN", {"evaluate", "compare", "one"}},
      {"usage: velm ablate ", {"ablate"}},
      {"name the model with -m and the spec with -s", {"ablate", PARTS, "-m", FITTED}},
      {"the prompt has no part \"XX\"; there are: RI, VP, ND, AD, CS",
       {"ablate", PARTS, "-m", FITTED, "-s", SPEC, "--drop", "RI,XX"}},
      {"the trials 1 or more", {"evaluate", PARTS, "-m", FITTED, "--trials", "0"}},
      {"usage: velm info ", {"info"}},
      {"usage: velm demo", {"demo", "more"}},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(Outcome) outcome = command_run(NULL, cases[i].arguments);
    assert_refused(outcome, 2, cases[i].text);
    g_assert_cmpstr(outcome->out, ==, "");
  }
}

/* These explain themselves at length. */
static void test_usage_long(void) {
  const char *const commands[][4] = {
      {NULL}, {"spec", NULL}, {"spec", "odd", NULL}, {"spec", "check", NULL}};
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    g_autoptr(Outcome) outcome = command_run(NULL, commands[i]);
    g_assert_cmpint(outcome->code, ==, 2);
    g_assert_cmpstr(outcome->out, ==, "");
    assert_contains(outcome->err, "usage: velm ");
  }
}

static void test_help(void) {
  static const char *const commands[] = {"fit",    "teach", "inspect", "evaluate",
                                         "ablate", "demo",  "info",    "spec"};
  g_autoptr(Outcome) all = velm("--help");
  assert_success(all);
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    g_autofree char *row = g_strdup_printf("\n  %s ", commands[i]);
    g_autofree char *usage = g_strdup_printf("velm %s ", commands[i]);
    assert_contains(all->out, row);
    g_autoptr(Outcome) help = velm(commands[i], "--help");
    assert_success(help);
    assert_contains(help->out, usage);
  }
  g_autoptr(Outcome) check = velm("spec", "check", "--help");
  assert_success(check);
  assert_contains(check->out, "velm spec check ");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (VIPS_INIT("test_hostile") != 0)
    g_error("libvips does not start");
  command_set_up();
  g_test_add_func("/hostile/image/formats", test_formats);
  g_test_add_func("/hostile/image/one_pixel", test_one_pixel);
  g_test_add_func("/hostile/image/fit_one_pixel", test_fit_one_pixel);
  g_test_add_func("/hostile/image/bomb", test_bomb);
  g_test_add_func("/hostile/image/broken", test_broken_images);
  g_test_add_func("/hostile/image/batch", test_batch);
  g_test_add_func("/hostile/image/folders", test_folders);
  g_test_add_func("/hostile/model/truncated", test_model_truncated);
  g_test_add_func("/hostile/model/damaged", test_model_damaged);
  g_test_add_func("/hostile/model/foreign", test_model_foreign);
  g_test_add_func("/hostile/model/values", test_model_values);
  g_test_add_func("/hostile/model/backbone", test_backbone);
  g_test_add_func("/hostile/spec/class_without_images", test_spec_class_without_images);
  g_test_add_func("/hostile/spec/mistake", test_spec_mistake);
  g_test_add_func("/hostile/output/unwritable", test_unwritable);
  g_test_add_func("/hostile/output/stdout_full", test_stdout_full);
  g_test_add_func("/hostile/usage/wrong", test_usage);
  g_test_add_func("/hostile/usage/long", test_usage_long);
  g_test_add_func("/hostile/usage/help", test_help);
  int code = g_test_run();
  command_tear_down();
  return code;
}
