namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>
/// Runs curl free of the user's settings: no .curlrc, no proxy.
/// </summary>
internal static class Curl
{
    public static Task<ToolResult> RunAsync(params IEnumerable<string> arguments)
        => ToolProcess.RunAsync("curl", ["--disable", "--silent", "--show-error", "--noproxy", "*", .. arguments]);
}
