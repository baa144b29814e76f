/* Random draws of examples that keep parts apart: a part lends examples or is tested, never both,
 * whichever classes it shows. */
#pragma once

#include "dataset/dataset.h"

/**
 * Draws examples and a test set from the classes other than good of @dataset's test images: about
 * half of each class's parts (at least one) lend examples, @shots of its images at the most (0:
 * all); the images of the other parts are tested.
 *
 * A part may show several classes; the classes with the fewest parts choose first. So a class's
 * share of lending parts can be off half where it shares its parts with others, and a class all of
 * whose parts already lend is tested for none.
 * @random: the source of chance
 * @examples, @tests: (out) (transfer container): arrays of borrowed VelmSample
 */
void velm_dataset_draw(const VelmDataset *dataset, int shots, GRand *random, GPtrArray **examples,
                       GPtrArray **tests);
