#include "core/resizer.h"

#include "core/engine.h"

struct _VelmResizer {
  int width, height;
  VelmNet *net; /* for images of net_width x net_height; NULL: none yet */
  int net_width, net_height;
};

VelmResizer *velm_resizer_new(int width, int height) {
  VelmResizer *resizer = g_new0(VelmResizer, 1);
  resizer->width = width;
  resizer->height = height;
  return resizer;
}

void velm_resizer_free(VelmResizer *resizer) {
  if (!resizer)
    return;
  velm_net_free(resizer->net);
  g_free(resizer);
}

/* A network of one operation. */
static char *network_text(int from_width, int from_height, int width, int height) {
  g_autofree char *from = g_strdup_printf(
      "<dim>1</dim><dim>%d</dim><dim>%d</dim><dim>3</dim></port>", from_height, from_width);
  g_autofree char *to =
      g_strdup_printf("<dim>1</dim><dim>%d</dim><dim>%d</dim><dim>3</dim></port>", height, width);
  return g_strdup_printf(
      "<net name=\"resize\" version=\"11\"><layers>"
      "<layer id=\"0\" name=\"image\" type=\"Parameter\" version=\"opset1\">"
      "<data shape=\"1,%d,%d,3\" element_type=\"f32\"/>"
      "<output><port id=\"0\" precision=\"FP32\">%s</output></layer>"
      "<layer id=\"1\" name=\"sizes\" type=\"Const\" version=\"opset1\">"
      "<data element_type=\"i64\" shape=\"2\" offset=\"0\" size=\"16\"/>"
      "<output><port id=\"0\" precision=\"I64\"><dim>2</dim></port></output></layer>"
      "<layer id=\"2\" name=\"axes\" type=\"Const\" version=\"opset1\">"
      "<data element_type=\"i64\" shape=\"2\" offset=\"16\" size=\"16\"/>"
      "<output><port id=\"0\" precision=\"I64\"><dim>2</dim></port></output></layer>"
      "<layer id=\"3\" name=\"resize\" type=\"Interpolate\" version=\"opset11\">"
      "<data mode=\"bilinear_pillow\" shape_calculation_mode=\"sizes\" "
      "coordinate_transformation_mode=\"half_pixel\" nearest_mode=\"round_prefer_floor\" "
      "antialias=\"false\" pads_begin=\"0,0,0,0\" pads_end=\"0,0,0,0\" cube_coeff=\"-0.75\"/>"
      "<input><port id=\"0\" precision=\"FP32\">%s"
      "<port id=\"1\" precision=\"I64\"><dim>2</dim></port>"
      "<port id=\"2\" precision=\"I64\"><dim>2</dim></port></input>"
      "<output><port id=\"3\" precision=\"FP32\" names=\"resized\">%s</output></layer>"
      "<layer id=\"4\" name=\"result\" type=\"Result\" version=\"opset1\">"
      "<input><port id=\"0\" precision=\"FP32\">%s</input></layer></layers><edges>"
      "<edge from-layer=\"0\" from-port=\"0\" to-layer=\"3\" to-port=\"0\"/>"
      "<edge from-layer=\"1\" from-port=\"0\" to-layer=\"3\" to-port=\"1\"/>"
      "<edge from-layer=\"2\" from-port=\"0\" to-layer=\"3\" to-port=\"2\"/>"
      "<edge from-layer=\"3\" from-port=\"3\" to-layer=\"4\" to-port=\"0\"/></edges></net>",
      from_height, from_width, from, from, to, to);
}

static gboolean fit_net(VelmResizer *resizer, const VelmImage *image, GError **error) {
  if (resizer->net && resizer->net_width == image->width && resizer->net_height == image->height)
    return TRUE;
  const gint64 constants[] = {resizer->height, resizer->width, 1, 2}; /* sizes, axes */
  VelmNetParams params = {.exact = TRUE};
  g_autofree char *xml = network_text(image->width, image->height, resizer->width, resizer->height);
  g_clear_pointer(&resizer->net, velm_net_free);
  resizer->net = velm_net_compile(xml, constants, sizeof constants, &params, error);
  resizer->net_width = image->width;
  resizer->net_height = image->height;
  return resizer->net != NULL;
}

const float *velm_resizer_run(VelmResizer *resizer, const VelmImage *image, GError **error) {
  gsize n = (gsize)image->width * (gsize)image->height * 3;
  g_autofree float *values = g_new(float, n);
  for (gsize i = 0; i < n; i++)
    values[i] = image->pixels[i];
  if (!fit_net(resizer, image, error) || !velm_net_run_floats(resizer->net, values, n, error))
    return NULL;
  return velm_net_output(resizer->net, 0)->data;
}
