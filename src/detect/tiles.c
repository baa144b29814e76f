#include "detect/tiles.h"

/* The margin is a sixteenth of a tile: two cells of 32. */
#define MARGINS 16

VelmTiles velm_tiles_new(int n, int cells) {
  n = CLAMP(n, 1, VELM_MAX_TILES);
  return (VelmTiles){n, n > 1 ? MAX(1, cells / MARGINS) : 0};
}

/* What is left of a tile must be more than its margins. */
static int margin_of(const VelmTiles *tiles, int cells) {
  return MIN(tiles->margin, (cells - 1) / 2);
}

int velm_tiles_cells(const VelmTiles *tiles, int cells) {
  return tiles->n * cells - 2 * margin_of(tiles, cells) * (tiles->n - 1);
}

VelmTile velm_tiles_get(const VelmTiles *tiles, int index, int cells) {
  int margin = margin_of(tiles, cells);
  return (VelmTile){index * (cells - 2 * margin), index > 0 ? margin : 0,
                    index + 1 < tiles->n ? cells - margin : cells};
}
