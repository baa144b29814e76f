/*
 * The link of a worker to the plant's catalog: it gives a product the model and the spec that the
 * catalog has for it, and the next ones as they are published; a front's product, which is
 * inspected elsewhere, it gives the spec alone.
 *
 * The product inspects with what it has until the next is fetched, open and warm; where that is no
 * good, what it has stays. What was in use last is kept in a folder, and used while the broker is
 * away.
 */
#pragma once

#include "plant/broker.h"
#include "serve/link.h"
#include "serve/product.h"

/**
 * @product: one of @station's, which was given no model, and no spec where it is inspected
 * elsewhere
 * @broker: must outlive the link
 * @folder: see plant/model_cache.h; made where there is none
 * Returns: (transfer full)
 */
VelmLink *velm_model_link_new(VelmStation *station, VelmProduct *product, VelmBroker *broker,
                              const char *folder);
