/*
 * Cutting an image into tiles, each of which a network sees at its own size: small defects of a
 * large image are then as large as those of a small one.
 *
 * Tiles overlap, for what lies at an edge is seen without its surroundings: of each, a margin that
 * the next one has further inside is left out. All is counted in cells of the features' grid.
 */
#pragma once

#include <glib.h>

#define VELM_MAX_TILES 8

/**
 * VelmTiles:
 * @n: across and down, 1 to VELM_MAX_TILES
 * @margin: cells that are left out at an edge where another tile follows
 */
typedef struct {
  int n, margin;
} VelmTiles;

/** One tile, along one axis.
 * @first: where in the image its first cell is
 * @from, @to: which of its own cells count, @to not included */
typedef struct {
  int first, from, to;
} VelmTile;

/** Tiles of a grid of @cells, along the shorter side. */
VelmTiles velm_tiles_new(int n, int cells);

/** How many cells all tiles together have along an axis on which each has @cells. */
int velm_tiles_cells(const VelmTiles *tiles, int cells);

VelmTile velm_tiles_get(const VelmTiles *tiles, int index, int cells);
