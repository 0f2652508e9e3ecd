using KestrelEventLoopTransport.IntegrationTests.Server;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests;

/// <summary>curl over HTTP/2 and over TLS.</summary>
public sealed class CurlHttp2Tests
{
    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task ALPN_chooses_HTTP2_over_TLS(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        var plaintext = server.Url(ClientProtocol.Http2OverTls, "/plaintext");
        var json = server.Url(ClientProtocol.Http2OverTls, "/json");

        var result = await Curl.RunAsync(
            "-k", "--http2", "-w", "|%{http_code} %{http_version} %{num_connects}|", plaintext, json);

        Assert.Equal(
            """Hello, World!|200 2 1|{"message":"Hello, World!"}|200 2 0|""",
            result.AssertSuccess().Output.TrimEnd());
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task A_client_without_ALPN_gets_HTTP1_over_TLS(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);
        var url = server.Url(ClientProtocol.Http1OverTls, "/plaintext");

        var result = await Curl.RunAsync(
            "-k", "--no-alpn", "-w", "|%{http_code} %{http_version} %{num_connects}|", url, url);

        Assert.Equal("Hello, World!|200 1.1 1|Hello, World!|200 1.1 0|", result.AssertSuccess().Output.TrimEnd());
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task HTTP2_with_prior_knowledge_needs_no_TLS(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);

        var result = await Curl.RunAsync(
            "--http2-prior-knowledge",
            "-w",
            "|%{http_code} %{http_version}|",
            server.Url(ClientProtocol.Http2PriorKnowledge, "/json"));

        Assert.Equal("""{"message":"Hello, World!"}|200 2|""", result.AssertSuccess().Output.TrimEnd());
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndProtocol>]
    public async Task An_upload_and_a_download_arrive_whole(ApplicationScheduling scheduling, ClientProtocol protocol)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, 2);
        using var file = new TemporaryFile(5_000_000);
        string[] options = ["-k", protocol switch
        {
            ClientProtocol.Http2PriorKnowledge => "--http2-prior-knowledge",
            ClientProtocol.Http2OverTls => "--http2",
            _ => "--http1.1",
        }];

        var upload = await Curl.RunAsync(
            [.. options, "--data-binary", "@" + file.Path, server.Url(protocol, "/upload")]);
        Assert.Equal(await ContentHash.OfPatternAsync(5_000_000), upload.AssertSuccess().Output.TrimEnd());

        var target = file.Path + ".download";
        var download = await Curl.RunAsync([.. options, "-o", target, server.Url(protocol, "/download?bytes=6000000")]);
        download.AssertSuccess();
        await using var content = File.OpenRead(target);
        Assert.Equal(
            await ContentHash.OfPatternAsync(6_000_000), await ContentHash.OfStreamAsync(content, HangGuard.Token));
    }

    [Theory(Timeout = HangGuard.Milliseconds)]
    [ClassData<EverySchedulingAndLoopCount>]
    public async Task Thirty_parallel_transfers_share_one_HTTP2_connection(ApplicationScheduling scheduling, int loops)
    {
        await using var server = await ProtocolServer.StartAsync(scheduling, loops);

        var result = await Curl.RunAsync(
            "-k", "--http2", "--parallel", "--parallel-max", "30",
            "-w", "%{http_code} %{http_version} %{size_download}\n",
            server.Url(ClientProtocol.Http2OverTls, "/download?bytes=300000&part=[1-30]"), "-o", "/dev/null");

        Assert.Equal(
            Enumerable.Repeat("200 2 300000", 30),
            result.AssertSuccess().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
