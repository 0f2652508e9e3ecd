namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>
/// A script for wrk that asks for /plaintext and /json in turn and compares the body of each answer.
/// </summary>
internal sealed class WrkScript : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("kestrel-");

    public WrkScript(int pipelined)
    {
        Path = System.IO.Path.Combine(_directory.FullName, "requests.lua");
        File.WriteAllText(Path, $$"""
            local threads = {}

            function setup(thread)
              table.insert(threads, thread)
            end

            function init(args)
              local batch = {}
              for i = 1, {{pipelined}} do
                batch[i] = wrk.format("GET", i % 2 == 1 and "/plaintext" or "/json")
              end
              requests = table.concat(batch)
              right, wrong = 0, 0
            end

            function request()
              return requests
            end

            function response(status, headers, body)
              local type = headers["Content-Type"] or ""
              local expected = type:find("json") and '{"message":"Hello, World!"}' or "Hello, World!"
              if status == 200 and body == expected then
                right = right + 1
              else
                wrong = wrong + 1
              end
            end

            function done(summary, latency, requests)
              local right, wrong = 0, 0
              for _, thread in ipairs(threads) do
                right = right + thread:get("right")
                wrong = wrong + thread:get("wrong")
              end
              print(string.format("right answers: %d, wrong answers: %d", right, wrong))
            end
            """);
    }

    public string Path { get; }

    public void Dispose() => _directory.Delete(recursive: true);
}
