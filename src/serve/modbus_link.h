/*
 * Verdicts for a PLC: the station is a Modbus TCP server, which the PLC polls.
 *
 * One verdict stands at a time, until the PLC writes its sequence number to the register of
 * acknowledgement; then the next one does. So each is read once and in order, also over a restart
 * of either. docs/station.md has the table of registers.
 */
#pragma once

#include "serve/station.h"

/* Discrete inputs. */
enum {
  VELM_MODBUS_WAITS, /* a verdict stands */
  VELM_MODBUS_PASS,  /* the part may go on: it is normal, or its anomaly negligible */
  VELM_MODBUS_READY, /* images can be inspected and kept */
  VELM_N_MODBUS_INPUTS
};

/* Input registers. */
enum {
  VELM_MODBUS_HEARTBEAT,   /* counts the seconds */
  VELM_MODBUS_SEQUENCE,    /* of the verdict that stands: its record's number, counted from 1 to
                              65535, then from 1 again; 0: none does */
  VELM_MODBUS_DECISION,    /* 1 normal, 2 negligible, 3 defect, 4 review, 5 failed */
  VELM_MODBUS_CLASS,       /* its number in the spec, from 1; 0 for none, 65535 for one beyond it */
  VELM_MODBUS_PRODUCT,     /* its number in the order of the command line, from 1 */
  VELM_MODBUS_SCORE,       /* in thousandths of the threshold, 65535 at most */
  VELM_MODBUS_RECORD_HIGH, /* the record's number */
  VELM_MODBUS_RECORD_LOW,
  VELM_N_MODBUS_REGISTERS
};

/* Holding registers. */
enum {
  VELM_MODBUS_ACKNOWLEDGED, /* the sequence number of the verdict that the PLC has read */
  VELM_N_MODBUS_HOLDING
};

/** Listens at @listen (ADDRESS:PORT). Returns: (transfer full): NULL with VELM_ERROR_USAGE or
 * VELM_ERROR_FILE. */
VelmLink *velm_modbus_link_new(VelmStation *station, const char *listen, GError **error);
