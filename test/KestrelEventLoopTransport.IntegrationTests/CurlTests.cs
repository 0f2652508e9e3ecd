using System.Security.Cryptography;
using KestrelEventLoopTransport.IntegrationTests.Server;
using KestrelEventLoopTransport.IntegrationTests.Tools;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>curl over HTTP/1.1.</summary>
public sealed class CurlTests
{
    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Several_requests_use_one_connection(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        var plaintext = server.Url(ClientProtocol.Http1, "/plaintext");
        var json = server.Url(ClientProtocol.Http1, "/json");

        var result = await Curl.RunAsync(
            "-w", "|%{http_code} %{http_version} %{num_connects}|", plaintext, json, plaintext);

        Assert.Equal(
            """Hello, World!|200 1.1 1|{"message":"Hello, World!"}|200 1.1 0|Hello, World!|200 1.1 0|""",
            result.AssertSuccess().Output.TrimEnd());
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task A_chunked_upload_arrives_whole(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var file = new TemporaryFile(3_000_001);

        var result = await Curl.RunAsync(
            "-T",
            file.Path,
            "-X",
            "POST",
            "-H",
            "Transfer-Encoding: chunked",
            server.Url(ClientProtocol.Http1, "/upload"));

        Assert.Equal(await ContentHash.OfPatternAsync(3_000_001), result.AssertSuccess().Output.TrimEnd());
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task A_chunked_response_arrives_whole(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);

        var result = await Curl.RunAsync("-v", server.Url(ClientProtocol.Http1, "/lines?count=500"));

        Assert.Equal(
            string.Concat(Enumerable.Range(0, 500).Select(line => $"line {line}\n")), result.AssertSuccess().Output);
        Assert.Contains("< Transfer-Encoding: chunked", result.Error, StringComparison.OrdinalIgnoreCase);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task A_client_that_waits_for_100_Continue_gets_it_before_it_sends_the_body(
        ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var file = new TemporaryFile(2_000_000);

        // Without the 100 this curl would wait for longer than the test may take.
        var result = await Curl.RunAsync(
            "-v", "-H", "Expect: 100-continue", "--expect100-timeout", "600",
            "--data-binary", "@" + file.Path, server.Url(ClientProtocol.Http1, "/upload"));

        Assert.Equal(await ContentHash.OfPatternAsync(2_000_000), result.AssertSuccess().Output.TrimEnd());
        Assert.True(
            result.Error.IndexOf("< HTTP/1.1 100", StringComparison.Ordinal) is var continued and >= 0
                && continued < result.Error.IndexOf("< HTTP/1.1 200", StringComparison.Ordinal),
            result.Error);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task A_refused_Expect_request_sends_no_body(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops, app =>
            app.MapPost("/forbidden", () => Results.Text("no entry", statusCode: StatusCodes.Status403Forbidden)));
        using var file = new TemporaryFile(2_000_000);

        var result = await Curl.RunAsync(
            "-w", "|%{http_code} %{size_upload}", "-H", "Expect: 100-continue", "--expect100-timeout", "600",
            "--data-binary", "@" + file.Path, server.Url(ClientProtocol.Http1, "/forbidden"));

        Assert.Equal("no entry|403 0", result.AssertSuccess().Output.TrimEnd());
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task HEAD_gets_the_headers_and_no_body(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops, app =>
            app.MapMethods("/head", ["HEAD"], (HttpResponse response) => response.ContentLength = 12345));
        var url = server.Url(ClientProtocol.Http1, "/head");

        var result = await Curl.RunAsync("--head", "-w", "|%{http_code} %{size_download} %{num_connects}|", url, url);

        var output = result.AssertSuccess().Output;
        Assert.Equal(2, output.Split("Content-Length: 12345").Length - 1);
        Assert.Contains("|200 0 1|", output, StringComparison.Ordinal);
        Assert.Contains("|200 0 0|", output, StringComparison.Ordinal);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    [Trait("Contract", "22")]
    public async Task The_answer_to_a_too_large_body_is_delivered(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var file = new TemporaryFile(8 * 1024 * 1024);

        // The empty Expect header makes curl send the body without asking.
        var result = await Curl.RunAsync(
            "-w",
            "|%{http_code}",
            "-H",
            "Expect:",
            "--data-binary",
            "@" + file.Path,
            server.Url(ClientProtocol.Http1, "/limited"));

        Assert.Equal("at most 1 MiB|413", result.Output.TrimEnd());
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Large_headers_pass_in_both_directions(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops, app =>
            app.MapGet("/header", (HttpContext context) =>
            {
                context.Response.Headers["X-Back"] = context.Request.Headers["X-There"];
                return "done";
            }));
        var value = Convert.ToHexString(RandomNumberGenerator.GetBytes(15_000));

        var result = await Curl.RunAsync(
            "--include", "-H", "X-There: " + value, server.Url(ClientProtocol.Http1, "/header"));

        Assert.Contains("X-Back: " + value, result.AssertSuccess().Output, StringComparison.Ordinal);
        Assert.EndsWith("done", result.Output.TrimEnd(), StringComparison.Ordinal);
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    [Trait("Contract", "9")]
    public async Task A_Unix_socket_serves_and_is_gone_after_the_stop(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        using var file = new TemporaryFile(1_000_000);
        string[] toSocket = ["--unix-socket", server.UnixSocketPath];

        var get = await Curl.RunAsync([.. toSocket, "http://localhost/plaintext", "http://localhost/json"]);
        var post = await Curl.RunAsync([.. toSocket, "--data-binary", "@" + file.Path, "http://localhost/upload"]);

        Assert.Equal("""Hello, World!{"message":"Hello, World!"}""", get.AssertSuccess().Output.TrimEnd());
        Assert.Equal(await ContentHash.OfPatternAsync(1_000_000), post.AssertSuccess().Output.TrimEnd());
        Assert.True(Path.Exists(server.UnixSocketPath));
        await server.StopAsync();
        Assert.False(Path.Exists(server.UnixSocketPath));
    }
}
