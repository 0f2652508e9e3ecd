using System.Text.Json;

namespace KestrelEventLoopTransport.Tests.Status;

internal static class JsonElementExtensions
{
    public static int Int(this JsonElement element, string name) => element.GetProperty(name).GetInt32();

    public static string Text(this JsonElement element, string name) => element.GetProperty(name).GetString()!;
}
