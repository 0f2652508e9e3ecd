using System.Text.Json.Serialization;

namespace KestrelEventLoopTransport.Status;

// Its encoder escapes what could end a script or a tag, and all that is not ASCII.
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(StatusReport))]
internal sealed partial class StatusJsonContext : JsonSerializerContext;
