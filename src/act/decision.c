#include "act/decision.h"

const char *velm_decision_name(VelmDecision decision) {
  switch (decision) {
  case VELM_DECISION_NORMAL:
    return "normal";
  case VELM_DECISION_NEGLIGIBLE:
    return "negligible";
  case VELM_DECISION_DEFECT:
    return "defect";
  case VELM_DECISION_REVIEW:
    return "review";
  }
  return "review";
}

const char *velm_decision_default_action(VelmDecision decision) {
  switch (decision) {
  case VELM_DECISION_NORMAL:
  case VELM_DECISION_NEGLIGIBLE:
    return "pass";
  case VELM_DECISION_DEFECT:
    return "reject";
  case VELM_DECISION_REVIEW:
    return "hold for review";
  }
  return "hold for review";
}
