<?xml version="1.0" encoding="utf-8"?>
<!-- Of Lync's compliance XML the older shape that archives for several products take: FileDump/Conversation, one element for each event in
     its order. For compliance.transform-command; to be changed to whatever your archive asks for. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" encoding="utf-8" indent="yes"/>
  <xsl:template match="/Conversations">
    <FileDump><xsl:apply-templates select="Conversation"/></FileDump>
  </xsl:template>
  <xsl:template match="Conversation">
    <Conversation Perspective="{Channel/@name}_group_channel">
      <RoomID><xsl:value-of select="Channel/@uri"/></RoomID>
      <StartTimeUTC><xsl:value-of select="StartTimeUTC/@string"/></StartTimeUTC>
      <xsl:apply-templates select="Messages/Message"/>
      <EndTimeUTC><xsl:value-of select="EndTimeUTC/@string"/></EndTimeUTC>
    </Conversation>
  </xsl:template>
  <xsl:template match="Message[@type='JOIN']">
    <ParticipantEntered><xsl:call-template name="participant"/></ParticipantEntered>
  </xsl:template>
  <xsl:template match="Message[@type='PART']">
    <ParticipantLeft><xsl:call-template name="participant"/></ParticipantLeft>
  </xsl:template>
  <xsl:template match="Message">
    <Message>
      <LoginName><xsl:value-of select="Sender/@UserName"/></LoginName>
      <DateTimeUTC><xsl:value-of select="DateTimeUTC/@string"/></DateTimeUTC>
      <Content><xsl:value-of select="@content"/></Content>
    </Message>
  </xsl:template>
  <xsl:template name="participant">
    <LoginName><xsl:value-of select="Sender/@UserName"/></LoginName>
    <DateTimeUTC><xsl:value-of select="DateTimeUTC/@string"/></DateTimeUTC>
    <InternalFlag><xsl:value-of select="Sender/@internal"/></InternalFlag>
    <ConversationID><xsl:value-of select="ancestor::Conversation/Channel/@uri"/></ConversationID>
    <CorporateEmailID><xsl:value-of select="Sender/@email"/></CorporateEmailID>
  </xsl:template>
</xsl:stylesheet>
