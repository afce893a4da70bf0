/*
 * COMPAT(pidgin-sipe, 1.25.0): the plugin registers the old SAX1 callbacks (startElement, endElement) in a handler that it marks
 * as SAX2. Current libxml2 builds of Debian bookworm (2.9.14+dfsg-1.3~deb12u6) then look at the SAX2 callbacks only, so that every
 * XML body appears empty to the plugin. This wrapper, loaded by LD_PRELOAD, tells libxml2 what such a handler really is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>

typedef int (*parse_memory)(xmlSAXHandlerPtr sax, void *user_data, const char *buffer, int size);

int xmlSAXUserParseMemory(xmlSAXHandlerPtr sax, void *user_data, const char *buffer, int size) {
  static parse_memory real;
  xmlSAXHandler sax1;

  if (!real)
    real = (parse_memory)dlsym(RTLD_NEXT, "xmlSAXUserParseMemory");
  if (!real) {
    fputs("xml-sax-shim: libxml2 has no xmlSAXUserParseMemory\n", stderr);
    abort();
  }

  if (!sax || sax->initialized != XML_SAX2_MAGIC || sax->startElementNs || sax->endElementNs ||
      !(sax->startElement || sax->endElement))
    return real(sax, user_data, buffer, size);

  sax1 = *sax; /* a copy: the plugin's handler may be shared */
  sax1.initialized = 1;
  return real(&sax1, user_data, buffer, size);
}
