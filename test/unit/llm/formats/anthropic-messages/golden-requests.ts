import type { MessageCreateParams } from '@anthropic-ai/sdk/resources/messages/messages';

/** Requests as clients write them, in the shape the format would be written in here. */
export const REQUESTS: Readonly<Record<string, MessageCreateParams & Record<string, unknown>>> = {
  plain: { model: 'some-model', max_tokens: 1024, messages: [{ role: 'user', content: 'Hello' }] },

  'an agent with cache marks': {
    model: 'some-model',
    max_tokens: 32_000,
    stream: true,
    system: [
      { type: 'text', text: 'You are an agent.' },
      { type: 'text', text: 'Long instructions.', cache_control: { type: 'ephemeral', ttl: '1h' } },
    ],
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'What is in a.txt?', cache_control: { type: 'ephemeral' } }] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'I should look.', signature: 'c2lnbmF0dXJl' },
          { type: 'redacted_thinking', data: 'b3BhcXVl' },
          { type: 'text', text: 'I look.' },
          { type: 'tool_use', id: 'toolu_1', name: 'read', input: { path: 'a.txt' }, caller: { type: 'direct' } },
          { type: 'tool_use', id: 'toolu_2', name: 'list', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'toolu_1', content: 'text of the file' },
          {
            type: 'tool_result',
            tool_use_id: 'toolu_2',
            is_error: true,
            content: [
              { type: 'text', text: 'failed' },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
              { type: 'tool_reference', tool_name: 'other' },
            ],
            cache_control: { type: 'ephemeral' },
          },
          { type: 'text', text: 'Go on.' },
        ],
      },
    ],
    tools: [
      {
        name: 'read',
        description: 'Reads a file',
        input_schema: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
        strict: true,
        input_examples: [{ path: 'b.txt' }],
      },
      { name: 'list', input_schema: { type: 'object' }, cache_control: { type: 'ephemeral' } },
      { type: 'web_search_20250305', name: 'web_search', max_uses: 3, cache_control: { type: 'ephemeral' } },
    ],
    tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    thinking: { type: 'enabled', budget_tokens: 10_000, display: 'summarized' },
    metadata: { user_id: 'user_abc' },
    service_tier: 'standard_only',
    stop_sequences: ['END'],
    context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
  },

  'documents, images, search results and citations': {
    model: 'some-model',
    max_tokens: 500,
    temperature: 0.5,
    top_p: 0.9,
    top_k: 40,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
          { type: 'image', source: { type: 'file', file_id: 'file_1' }, transformations: { oversized_image: 'error' } },
          {
            type: 'document',
            title: 'Report',
            context: 'of this year',
            citations: { enabled: true },
            source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERg==' },
          },
          { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } },
          { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'plain' } },
          { type: 'document', source: { type: 'file', file_id: 'file_2' } },
          { type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'one' }] } },
          {
            type: 'document',
            source: {
              type: 'content',
              content: [{ type: 'image', source: { type: 'url', url: 'https://example.com/b.png' } }],
            },
          },
          {
            type: 'search_result',
            source: 'https://example.com',
            title: 'Found',
            content: [{ type: 'text', text: 'passage' }],
            citations: { enabled: true },
          },
          { type: 'container_upload', file_id: 'file_3' },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'q' } },
          {
            type: 'web_search_tool_result',
            tool_use_id: 'srvtoolu_1',
            content: [{ type: 'web_search_result', title: 't', url: 'u', encrypted_content: 'e' }],
          },
          {
            type: 'text',
            text: 'So it says.',
            citations: [
              {
                type: 'char_location',
                cited_text: 'a',
                document_index: 0,
                document_title: 'Report',
                start_char_index: 1,
                end_char_index: 2,
              },
              {
                type: 'page_location',
                cited_text: 'b',
                document_index: 1,
                document_title: null,
                start_page_number: 3,
                end_page_number: 4,
              },
              {
                type: 'content_block_location',
                cited_text: 'c',
                document_index: 2,
                document_title: null,
                start_block_index: 0,
                end_block_index: 1,
              },
              {
                type: 'search_result_location',
                cited_text: 'd',
                source: 'https://example.com',
                title: 'Found',
                search_result_index: 0,
                start_block_index: 0,
                end_block_index: 1,
              },
              {
                type: 'web_search_result_location',
                cited_text: 'e',
                url: 'https://example.com',
                title: null,
                encrypted_index: 'x',
              },
            ],
          },
        ],
      },
      { role: 'user', content: 'More.' },
      { role: 'system', content: 'Be short.' },
    ],
  },

  'structured output with effort': {
    model: 'some-model',
    max_tokens: 500,
    messages: [{ role: 'user', content: 'Hello' }],
    thinking: { type: 'adaptive' },
    output_config: {
      effort: 'high',
      format: {
        type: 'json_schema',
        schema: {
          type: 'object',
          properties: { a: { type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'null' }] } } },
          required: ['a'],
          additionalProperties: false,
        },
      },
    },
  },

  'effort without a word on thinking': {
    model: 'some-model',
    max_tokens: 500,
    messages: [{ role: 'user', content: 'Hello' }],
    output_config: { effort: 'low' },
  },

  'thinking switched off, a tool named': {
    model: 'some-model',
    max_tokens: 500,
    messages: [{ role: 'user', content: 'Hello' }],
    tools: [{ name: 'read', input_schema: { type: 'object' } }],
    tool_choice: { type: 'tool', name: 'read' },
    thinking: { type: 'disabled' },
  },

  'what the hub has no words for': {
    model: 'some-model',
    max_tokens: 500,
    messages: [{ role: 'user', content: 'Hello', effort: 'low' } as never],
    thinking: { type: 'between_tools' },
    output_config: { task_budget: { total: 5 } } as never,
    metadata: { user_id: 'u', team: 't' } as never,
    container: 'c_1',
    speed: 'fast',
    cache_control: { type: 'ephemeral' },
  },
};
