/* velm prompt, as a user would type it. */
#include "classify/scripted_server.h"
#include "cli/command.h"
#include "core/file.h"
#include "core/image.h"
#include "core/json.h"

#include <string.h>

/* ---- the images of the data set ---- */

/* The path of image number @index in @folder of PARTS. */
static char *image_in(const char *folder, guint index) {
  g_autofree char *path = g_build_filename(PARTS, folder, NULL);
  g_autofree char *whole = command_path(path);
  g_autoptr(GPtrArray) names = velm_file_list(whole, NULL);
  g_assert_cmpuint(index, <, names->len);
  return g_build_filename(path, g_ptr_array_index(names, index), NULL);
}

static void put(const char *name, gconstpointer data, gsize size) {
  g_autofree char *path = command_path(name);
  g_autofree char *parent = g_path_get_dirname(path);
  g_autoptr(GError) error = NULL;
  velm_file_make_folder(parent, &error);
  g_assert_no_error(error);
  velm_file_write(path, data, size, &error);
  g_assert_no_error(error);
}

static void put_text(const char *name, const char *text) { put(name, text, strlen(text)); }

/* Whether velm inspect finds the image normal. */
static gboolean is_normal(const char *image) {
  g_autoptr(Outcome) outcome = velm("inspect", "-m", FITTED, "--json", image);
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  return !json_object_get_boolean_member(record_at(records, 0), "anomalous");
}

/* The first image in @folder that is normal, or that is not. */
static char *find_image(const char *folder, gboolean normal) {
  for (guint i = 0; i < N_PER_CLASS; i++) {
    g_autofree char *image = image_in(folder, i);
    if (is_normal(image) == normal)
      return g_steal_pointer(&image);
  }
  g_error("%s has no such image", folder);
}

/* ---- what was written ---- */

static char *read_text(const char *folder, const char *name) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autoptr(GBytes) bytes = command_read(path);
  return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

/* The names in @folder, separated by spaces. */
static char *list(const char *folder) {
  g_autofree char *path = command_path(folder);
  g_autoptr(GPtrArray) names = velm_file_list(path, NULL);
  g_assert_nonnull(names);
  g_ptr_array_add(names, NULL);
  return g_strjoinv(" ", (char **)names->pdata);
}

static void check_list(const char *folder, const char *expected) {
  g_autofree char *names = list(folder);
  g_assert_cmpstr(names, ==, expected);
}

/* Checks that the picture in the request is the one in the file. */
static void check_picture(JsonObject *content, const char *folder, const char *name) {
  static const char prefix[] = "data:image/jpeg;base64,";
  gsize size = 0;
  const char *url =
      json_object_get_string_member(json_object_get_object_member(content, "image_url"), "url");
  g_assert_true(g_str_has_prefix(url, prefix));
  g_autofree guchar *sent = g_base64_decode(url + strlen(prefix), &size);
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autoptr(GBytes) file = command_read(path);
  g_assert_cmpmem(sent, size, g_bytes_get_data(file, NULL), g_bytes_get_size(file));
}

/* Checks that the request in @folder has its text and @images. Returns: (transfer full): the
 * request. */
static JsonNode *check_request(const char *folder, const char *const *images) {
  g_autofree char *json = read_text(folder, "request.json");
  g_autofree char *text = read_text(folder, "prompt.txt");
  JsonNode *request = velm_json_parse(json, -1, "request.json", NULL);
  g_assert_nonnull(request);
  JsonArray *messages = json_object_get_array_member(json_node_get_object(request), "messages");
  JsonArray *content =
      json_object_get_array_member(json_array_get_object_element(messages, 0), "content");
  g_assert_cmpuint(json_array_get_length(content), ==, 1 + g_strv_length((char **)images));
  g_autofree char *sent = g_strconcat(
      json_object_get_string_member(json_array_get_object_element(content, 0), "text"), "\n", NULL);
  g_assert_cmpstr(sent, ==, text);
  for (guint i = 0; images[i]; i++)
    check_picture(json_array_get_object_element(content, i + 1), folder, images[i]);
  return request;
}

/* ---- tests ---- */

static void test_writes(void) {
  static const char *const images[] = {"image-1-reference.jpg", "image-2-part.jpg",
                                       "image-3-outlined.jpg", NULL};
  g_autofree char *image = find_image("test/chip", FALSE);
  g_autoptr(Outcome) outcome = velm("prompt", image, "-m", FITTED, "-s", SPEC, "-o", "a/written");
  assert_success(outcome);
  assert_contains(outcome->out, "Nothing was sent.");
  assert_contains(outcome->out, "a/written/image-3-outlined.jpg");
  check_list("a/written",
             "image-1-reference.jpg image-2-part.jpg image-3-outlined.jpg prompt.txt request.json");
  g_autoptr(JsonNode) request = check_request("a/written", images);
  g_assert_cmpstr(json_object_get_string_member(json_node_get_object(request), "model"), ==,
                  "MODEL");
  g_autofree char *text = read_text("a/written", "prompt.txt");
  assert_contains(text, "another part of the same product");
  assert_contains(text, "- missing_hole: missing hole - ");
}

/* What velm inspect sends is what velm prompt writes, to the byte. Returns: (transfer full): the
 * text. */
static char *check_exact(const char *image, const char *out, const char *normal_image) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_answer(server, "{\"class\":\"dent\",\"reason\":\"a hollow\"}");
  g_autoptr(Outcome) asked =
      velm("inspect", image, "-m", FITTED, "-s", SPEC, "--classifier", "mllm", "--llm", "the-model",
           "--endpoint", scripted_server_endpoint(server), normal_image ? "--normal-image" : NULL,
           normal_image);
  assert_success(asked);
  g_autoptr(Outcome) written =
      velm("prompt", image, "-m", FITTED, "-s", SPEC, "-o", out, "--llm", "the-model",
           normal_image ? "--normal-image" : NULL, normal_image);
  assert_success(written);
  g_assert_cmpuint(scripted_server_n_requests(server), ==, 1);
  g_autofree char *request = read_text(out, "request.json");
  g_assert_cmpstr(scripted_server_request(server, 0)->body, ==, request);
  return read_text(out, "prompt.txt");
}

/* The reference is then the nearest of the model's normal images. */
static void test_exact(void) {
  g_autofree char *image = find_image("test/chip", FALSE);
  g_autofree char *text = check_exact(image, "exact", NULL);
  assert_contains(text, "is the reference: another part of the same product");
}

/* The one that the user names is shown, whatever the model carries. */
static void test_exact_given(void) {
  g_autofree char *image = find_image("test/chip", FALSE);
  g_autofree char *good = image_in("train/good", 3);
  g_autofree char *first = check_exact(image, "exact_nearest", NULL);
  g_autofree char *text = check_exact(image, "exact_given", good);
  g_assert_cmpstr(text, ==, first);
  g_autoptr(GBytes) nearest = command_read("exact_nearest/image-1-reference.jpg");
  g_autoptr(GBytes) given = command_read("exact_given/image-1-reference.jpg");
  g_assert_false(g_bytes_equal(nearest, given));
  g_autoptr(Outcome) absent =
      velm("prompt", image, "-m", FITTED, "-s", SPEC, "-o", "nowhere", "--normal-image", "no.png");
  assert_refused(absent, 1, "no.png");
}

static void test_exact_aligned(void) {
  g_autofree char *image = image_in("test/dent", 0);
  g_autofree char *good = image_in("train/good", 0);
  g_autofree char *name = g_path_get_basename(image);
  g_autofree char *reference = g_build_filename(PARTS, "reference/dent", name, NULL);
  g_autoptr(GBytes) bytes = command_read(good);
  put(reference, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
  g_autofree char *text = check_exact(image, "exact_aligned", NULL);
  assert_contains(text, "the same part without any defect, in the same position");
}

static void test_normal_image(void) {
  g_autofree char *image = find_image("test/good", TRUE);
  g_autoptr(Outcome) outcome = velm("prompt", image, "-m", FITTED, "-s", SPEC, "-o", "normal");
  g_assert_cmpint(outcome->code, ==, 0);
  assert_contains(outcome->err, image);
  assert_contains(outcome->err, "is normal (score ");
  assert_contains(outcome->err, "so nothing would be asked");
  check_list("normal",
             "image-1-reference.jpg image-2-part.jpg image-3-outlined.jpg prompt.txt request.json");
  g_autoptr(Outcome) crops =
      velm("prompt", image, "-m", FITTED, "-s", SPEC, "-o", "normal", "--regions", "crops");
  g_assert_cmpint(crops->code, ==, 0);
  check_list("normal",
             "image-1-reference.jpg image-2-part.jpg image-3-crop.jpg prompt.txt request.json");
}

static void test_options(void) {
  static const char *const part[] = {"image-1-part.jpg", NULL};
  g_autofree char *image = find_image("test/chip", FALSE);
  g_autoptr(Outcome) crops =
      velm("prompt", image, "-m", FITTED, "-s", SPEC, "-o", "options", "--regions", "crops");
  assert_success(crops);
  g_autofree char *close = read_text("options", "prompt.txt");
  assert_contains(close, "- Image 3 is a close view of that part");
  /* The earlier images go. */
  g_autoptr(Outcome) dropped = velm("prompt", image, "-m", FITTED, "-s", SPEC, "-o", "options",
                                    "--drop", "ri, VP,ND,AD,CS", "--llm", "eyes");
  assert_success(dropped);
  check_list("options", "image-1-part.jpg prompt.txt request.json");
  g_autoptr(JsonNode) request = check_request("options", part);
  g_assert_cmpstr(json_object_get_string_member(json_node_get_object(request), "model"), ==,
                  "eyes");
  g_autofree char *bare = read_text("options", "prompt.txt");
  g_assert_null(strstr(bare, "How to decide"));
  assert_contains(bare, "- missing_hole: missing hole\n");
}

static void test_template(void) {
  static const char *const images[] = {"image-1-outlined.jpg", "image-2-part.jpg", NULL};
  g_autofree char *image = find_image("test/chip", FALSE);
  put_text("検査.txt", "// 検査\n[[VP]]\n赤線は画像{image outlined}。\n[[end]]\n"
                       "製品：{object}、画像{image part}。\n{classes}\n");
  put_text("仕様.yaml", "object: 円盤\nclasses:\n  欠け:\n    description: 縁の欠け\n"
                        "    severity: defect\n");
  g_autoptr(Outcome) outcome = velm("prompt", image, "-m", FITTED, "-s", "仕様.yaml", "-o", "出力",
                                    "--prompt-template", "検査.txt");
  assert_success(outcome);
  g_autofree char *text = read_text("出力", "prompt.txt");
  g_assert_cmpstr(text, ==, "赤線は画像1。\n製品：円盤、画像2。\n- 欠け: 欠け - 縁の欠け\n");
  g_autoptr(JsonNode) request = check_request("出力", images);
  g_assert_nonnull(request);
}

static void test_refused(void) {
  g_autofree char *image = image_in("test/chip", 0);
  put_text("wrong.txt", "{image part}\n{classes}\n[[VP]]\n");
  put_text("plain.txt", "{image part}\n{classes}\n");
  put_text("file", "text");
  put_text("bad.png", "no image");
  g_autoptr(Outcome) no_out = velm("prompt", image, "-m", FITTED, "-s", SPEC);
  assert_refused(no_out, 2, "needs -m MODEL.velm, -s SPEC.yaml and -o DIR");
  g_autoptr(Outcome) no_spec = velm("prompt", image, "-m", FITTED, "-o", "x");
  assert_refused(no_spec, 2, "needs -m MODEL.velm, -s SPEC.yaml and -o DIR");
  g_autoptr(Outcome) no_image = velm("prompt", "-m", FITTED, "-s", SPEC, "-o", "x");
  assert_refused(no_image, 2, "usage: velm prompt IMAGE");
#define REFUSED(code, text, ...)                                                                   \
  do {                                                                                             \
    g_autoptr(Outcome) refused = velm("prompt", "-m", FITTED, "-s", SPEC, "-o", "x", __VA_ARGS__); \
    assert_refused(refused, code, text);                                                           \
  } while (0)
  REFUSED(2, "no part \"XX\"; there are: RI, VP, ND, AD, CS", image, "--drop", "RI,XX");
  REFUSED(2, "--regions must be overview or crops, not \"all\"", image, "--regions", "all");
  REFUSED(1, "missing.txt: ", image, "--prompt-template", "missing.txt");
  REFUSED(1, "wrong.txt:3: [[VP]] is not ended", image, "--prompt-template", "wrong.txt");
  REFUSED(1, "no block [[crops]]", image, "--prompt-template", "plain.txt", "--regions", "crops");
  REFUSED(2, "parts/test/chip: is a folder of 6 images; name one image", "parts/test/chip");
  REFUSED(1, "bad.png: ", "bad.png");
  REFUSED(1, "nowhere.png", "nowhere.png");
#undef REFUSED
  g_autoptr(Outcome) blocked = velm("prompt", image, "-m", FITTED, "-s", SPEC, "-o", "file/below");
  assert_refused(blocked, 1, "file/below");
  g_autofree char *folder = command_path("x");
  g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  command_set_up();
  g_test_add_func("/prompt/writes", test_writes);
  g_test_add_func("/prompt/exact", test_exact);
  g_test_add_func("/prompt/exact-given", test_exact_given);
  g_test_add_func("/prompt/exact-aligned", test_exact_aligned);
  g_test_add_func("/prompt/normal-image", test_normal_image);
  g_test_add_func("/prompt/options", test_options);
  g_test_add_func("/prompt/template", test_template);
  g_test_add_func("/prompt/refused", test_refused);
  int code = g_test_run();
  command_tear_down();
  return code;
}
