namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// How a tool ended and what it wrote.
/// </summary>
internal sealed record ToolResult(int ExitCode, string Output, string Error)
{
    public ToolResult AssertSuccess()
    {
        Assert.True(ExitCode == 0, $"Exit code {ExitCode}. {this}");
        return this;
    }
}
