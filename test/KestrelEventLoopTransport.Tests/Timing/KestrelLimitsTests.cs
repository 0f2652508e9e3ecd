using System.Globalization;
using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Timing;

/// <summary>
/// The transport's limits below HTTP and TLS, beside those of Kestrel. The shorter one ends the connection, and neither
/// makes the other complain.
/// </summary>
[Trait("Contract", "limits")]
[FailsOnStock("Stock has no limits.")]
public sealed class KestrelLimitsTests
{
    private static readonly TimeSpan _short = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _long = TimeSpan.FromHours(1);

    private const string Get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_idle_keep_alive_connection_ends_at_the_limit_of_the_transport(
        ApplicationScheduling scheduling)
        => await EndsAfterOneRequestAsync(
            scheduling, false, static (o, limit) => o.ReceiveIdleTimeout = limit, static (k, _) => { });

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_idle_keep_alive_connection_over_TLS_ends_at_the_limit_of_the_transport(
        ApplicationScheduling scheduling)
        => await EndsAfterOneRequestAsync(
            scheduling, true, static (o, limit) => o.IdleTimeout = 10 * limit, static (k, _) => { });

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task An_idle_keep_alive_connection_ends_at_the_limit_of_Kestrel(ApplicationScheduling scheduling)
        => await EndsAfterOneRequestAsync(
            scheduling,
            false,
            static (o, _) => o.ReceiveIdleTimeout = o.IdleTimeout = _long,
            static (k, limit) => k.Limits.KeepAliveTimeout = limit);

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task Request_headers_that_do_not_come_end_the_connection_at_either_limit(
        ApplicationScheduling scheduling)
    {
        foreach (var isOurs in new[] { true, false })
        {
            await using var server = await StartAsync(
                scheduling,
                false,
                o => o.ReceiveIdleTimeout = isOurs ? _short : _long,
                k => k.Limits.RequestHeadersTimeout = isOurs ? _long : _short);
            using var client = await server.ConnectAsync();
            await client.SendAsync("GET / HTT");

            var answer = await client.ReceiveTextToEndAsync();

            Assert.Equal(isOurs ? "" : "HTTP/1.1 408", answer[..(isOurs ? 0 : 12)]);
        }
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_request_body_that_stops_ends_the_request_at_either_limit(ApplicationScheduling scheduling)
    {
        foreach (var isOurs in new[] { true, false })
        {
            await using var server = await StartAsync(
                scheduling,
                false,
                o => o.ReceiveIdleTimeout = isOurs ? _short : _long,
                k => k.Limits.MinRequestBodyDataRate
                    = isOurs ? null : new MinDataRate(1000, TimeSpan.FromSeconds(1.1)));
            using var client = await server.ConnectAsync();
            await client.SendAsync("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf");

            var answer = await client.ReceiveTextToEndAsync();

            Assert.Equal(!isOurs, answer.StartsWith("HTTP/1.1 408", StringComparison.Ordinal));
        }
    }

    /// <summary>A read that begins just when the limit ends the connection. Kestrel must not log an error.</summary>
    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_request_whose_body_is_polled_ends_at_the_limit_without_a_complaint(
        ApplicationScheduling scheduling)
    {
        await using var server = await StartAsync(
            scheduling, false, static o => o.IdleTimeout = _short, static k => { });
        for (var i = 0; i < 5; i++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync("POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n");

            await client.ExpectFinAsync();
        }

        await Poll.UntilAsync(() => server.Monitor.ConnectionCount == 0);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_request_that_takes_longer_than_the_receive_limit_is_answered(ApplicationScheduling scheduling)
    {
        var answer = await AskAsync(
            scheduling, false, "/slow", static (o, limit) => o.ReceiveIdleTimeout = limit, static (k, _) => { });

        Assert.EndsWith("slow", answer, StringComparison.Ordinal);
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task A_client_that_does_not_begin_its_handshake_ends_at_the_limit_of_the_transport(
        ApplicationScheduling scheduling)
    {
        await using var server = await StartAsync(
            scheduling, true, static o => o.FirstByteTimeout = _short, static k => { });
        using var client = await RawClient.ConnectAsync(server.EndPoint);

        await client.ExpectFinAsync();
    }

    [Theory]
    [ClassData<EveryScheduling>]
    public async Task At_the_end_of_its_life_a_connection_finishes_its_request(ApplicationScheduling scheduling)
    {
        var answer = await AskAsync(
            scheduling, false, "/last", static (o, life) => o.MaxConnectionLifetime = life, static (k, _) => { });

        Assert.EndsWith("last", answer, StringComparison.Ordinal);
    }

    private static async Task EndsAfterOneRequestAsync(
        ApplicationScheduling scheduling,
        bool tls,
        Action<EndpointOptions, TimeSpan> limits,
        Action<KestrelServerOptions, TimeSpan> kestrel)
        => Assert.EndsWith(
            "quick", await AskAsync(scheduling, tls, "/", limits, kestrel), StringComparison.Ordinal);

    /// <summary>
    /// All that a client gets that sends one request. Nothing is answered if a limit was over before the request had
    /// come; then it tries again with a longer one.
    /// </summary>
    private static async Task<string> AskAsync(
        ApplicationScheduling scheduling,
        bool tls,
        string path,
        Action<EndpointOptions, TimeSpan> limits,
        Action<KestrelServerOptions, TimeSpan> kestrel)
    {
        for (var limit = _short; ; limit *= 3)
        {
            var isLast = limit > 20 * _short;
            await using var server = await StartAsync(scheduling, tls, o => limits(o, limit), k => kestrel(k, limit));
            try
            {
                using var client = await server.ConnectAsync();
                await client.SendAsync(
                    Get.Replace("/ ", $"{path}?{4 * limit.TotalMilliseconds} ", StringComparison.Ordinal));
                var answer = await client.ReceiveTextToEndAsync();
                if (answer.Length > 0 || isLast)
                {
                    return answer;
                }
            }
            catch (Exception exception) when (exception is SocketException or IOException && !isLast)
            {
            }
        }
    }

    private static async Task PollBodyAsync(PipeReader body)
    {
        while (!body.TryRead(out _))
        {
            await Task.Yield();
        }
    }

    /// <summary>Answers with the headers at once, and waits for the end of the connection's life.</summary>
    private static async Task AwaitEndOfLifeAsync(HttpContext context)
    {
        await context.Response.Body.FlushAsync();
        var life = context.Features.Get<IConnectionLifetimeNotificationFeature>()!;
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = life.ConnectionClosedRequested.UnsafeRegister(_ => over.TrySetResult(), null);
        await over.Task.DefaultTimeout();
    }

    // Nothing above Information may be logged, because a peer causes all of this: but for 13, with which Kestrel says
    // that the application does not catch what Kestrel's own limit throws.
    private static Task<TestServer> StartAsync(
        ApplicationScheduling scheduling,
        bool tls,
        Action<EndpointOptions> limits,
        Action<KestrelServerOptions> kestrel)
        => TestServer.StartAsync(new TestSettings
        {
            Scheduling = scheduling,
            UsesTls = tls,
            Transport = options => limits(options.EndpointDefaults),
            Kestrel = kestrel,
            Complaints = static entry => entry.Level >= LogLevel.Warning
                && !(entry.EventId == 13 && entry.Exception is Microsoft.AspNetCore.Http.BadHttpRequestException),
            App = static async context =>
            {
                var text = context.Request.Path.Value switch
                {
                    "/slow" => "slow",
                    "/last" => "last",
                    _ => "quick",
                };
                context.Response.ContentLength = text.Length;
                if (context.Request.Path == "/slow")
                {
                    await Task.Delay(int.Parse(context.Request.QueryString.Value![1..], CultureInfo.InvariantCulture));
                }
                else if (context.Request.Path == "/last")
                {
                    await AwaitEndOfLifeAsync(context);
                }
                else if (context.Request.Path == "/poll")
                {
                    await PollBodyAsync(context.Request.BodyReader);
                }
                else
                {
                    await context.Request.Body.CopyToAsync(Stream.Null);
                }

                await context.Response.WriteAsync(text);
            },
        });
}
